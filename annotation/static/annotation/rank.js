// The ranking page: keys, clicks and drags become acts, acts become states, states what is on the screen.
// Where tasks come from and submissions go is the desk's part (desk.js).
import { Cards } from "./cards.js";
import { Desk } from "./desk.js";
import { ask, chooseRecent, fillKeySheet, toggleDrawer } from "./dialogs.js";
import { Find } from "./find.js";
import { actionOf } from "./keys.js";
import { Lane } from "./lane.js";
import { Scale } from "./scale.js";
import * as ranking from "./state.js";
import * as pair from "./pair.js";
import { LETTERS, announce, missing, orderSpoken } from "./words.js";
import { toast } from "../kedge/toast.js";

class Page extends Desk {
  constructor(root) {
    super(root);
    Object.assign(this, { mode: null, rating: false, held: null, opening: false, typed: [] });
    const act = (name, ...rest) => this.act(name, ...rest);
    this.cards = new Cards(this.find("#rank-cards"), { criteria: JSON.parse(root.dataset.criteria), act });
    this.lane = new Lane(this.find("#rank-lane"), this.find("#rank-cards"), { act });
    this.scale = new Scale(this.find("#rank-scale"), { act });
    const say = (text) => this.notices.say(text);
    this.finder = new Find(this.find("#rank-find"), this.source, { say, leave: () => this.root.focus() });
    this.find("[data-act=marks]").setAttribute("aria-pressed", String(this.marked));
    this.listen();
  }

  listen() {
    document.addEventListener("keydown", (event) => this.pressed(event));
    // A button that was clicked keeps no focus: the next Enter is a submission, not the same click again.
    this.root.addEventListener("click", (event) => event.detail > 0 && event.target.closest("button")?.blur(), true);
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (button) this.act(button.dataset.act);
    });
    fillKeySheet(this.find("#rank-keys"));
    this.find("#rank-rationale").addEventListener("input", (event) => this.change({ ...this.state, rationale: event.target.value }));
  }

  pressed(event) {
    if (document.querySelector("dialog[open]")) return;
    const action = actionOf(event, this.opening ? LETTERS.length : (this.task?.completions.length ?? 0));
    if (!action) return;
    event.preventDefault();
    if (this.opening) this.typed.push(action);
    else this.act(...action);
  }

  // -- One method for each act ------------------------------------------------------------------

  act(name, ...rest) {
    const free = { keys: 1, guidelines: 1, reopen: 1, recent: 1, marks: 1, escape: 1 };
    if (this.opening || (!this.task && !free[name])) return;
    this[`on_${name}`.replaceAll("-", "_")](...rest);
  }

  on_digit(digit) {
    const id = this.state.ids[digit - 1];
    if (id === undefined) return;
    if (this.mode) this.act(this.mode, id);
    else if (this.state.kind === "extremes" && ranking.submittable(this.state)) this.notices.say("Best and worst are said. Backspace takes the last back.");
    else if (this.state.kind === "order" && ranking.isPlaced(this.state, id)) this.notices.say(`${LETTERS[digit - 1]} is placed already. Backspace takes the last one back.`);
    else this.change(ranking.place(this.state, id));
  }

  on_toggle(id) {
    if (this.mode) return this.act(this.mode, id);
    const { isPlaced, remove, place } = ranking;
    if (this.state.kind === "pair") return this.change(pair.choiceOf(this.state)?.id === id ? pair.clear(this.state) : place(this.state, id));
    this.change(isPlaced(this.state, id) ? remove(this.state, id) : place(this.state, id));
  }

  /** Of two: the one at a place of the display order, by so much; the same again takes it back. */
  on_choose(place, mark) {
    const id = this.state.ids[place];
    const now = pair.choiceOf(this.state);
    this.change(now?.id === id && now.mark === mark ? pair.clear(this.state) : pair.choose(this.state, id, mark));
  }

  on_remove(id) {
    this.change(ranking.remove(this.state, id));
  }

  on_relate(sign) {
    this.change(ranking.relate(this.state, sign));
  }

  on_cycle(boundary) {
    this.change(ranking.cycle(this.state, boundary));
  }

  on_move(id, position) {
    this.change(ranking.moveTo(this.state, id, position));
  }

  on_shift(id, step) {
    this.change(ranking.shift(this.state, id, step));
  }

  on_back() {
    this.change(ranking.back(this.state));
  }

  on_none() {
    this.change(ranking.toggleNone(this.state));
  }

  on_rate(id, criterion, value) {
    this.change(ranking.rate(this.state, criterion, id, value));
  }

  on_ratings() {
    if (!this.cards.criteria.length) return toast("This project has no criteria to rate on.");
    this.rating = !this.rating;
    this.draw();
  }

  on_marks() {
    this.marked = !this.marked;
    this.store.set("marked", this.marked);
    this.find("[data-act=marks]").setAttribute("aria-pressed", String(this.marked));
    if (!this.task) return;
    this.mark();
    this.draw();
    this.notices.say(this.marked ? "Names and numbers are marked." : "Nothing is marked.");
  }

  on_find() {
    this.finder.focus();
  }

  on_mode(mode) {
    this.mode = this.mode === mode ? null : mode;
    this.notices.say(this.mode ? `Which one? Press its digit to ${mode.replace("_", " ")} it.` : "");
    this.draw();
  }

  on_escape() {
    if (this.mode) this.on_mode(this.mode);
    else if (!this.find("#rank-guidelines").hidden) this.on_guidelines();
    else if (this.reopened.current) this.leaveReopened();
  }

  async on_flag(id) {
    this.mode = null;
    const { task } = this.task;
    const name = LETTERS[this.state.ids.indexOf(id)];
    const given = await ask(this.find("#rank-flag"), { title: `Flag ${name}`, canClear: Boolean(this.state.flags[id]) });
    if (this.task?.task !== task) return;
    if (given) this.change(ranking.flag(this.state, id, [given.reason, given.note].filter(Boolean).join(": ").slice(0, 200)));
    else this.draw();
  }

  /** Strike what is selected; without a selection, ask in which text to select. */
  on_strike(id) {
    const selected = this.cards.selected();
    if (selected && (id === undefined || selected.id === id)) {
      document.getSelection().removeAllRanges();
      return this.struck(selected.id, selected);
    }
    if (id === undefined) return this.on_mode("strike_in");
    this.on_strike_in(id);
  }

  on_strike_in(id) {
    this.mode = null;
    this.draw();
    this.cards.pick(id, (part) => {
      this.root.focus();
      if (part && this.task) this.struck(id, part);
    });
  }

  struck(id, { start, end }) {
    const { original, letter } = this.cards.cards.get(id);
    const before = this.state.spans.length;
    this.change(ranking.strike(this.state, id, original, start, end));
    const done = this.state.spans.length < before ? "Freed" : "Struck";
    this.notices.say(`${done} in ${letter}: ${original.slice(start, end)}`);
  }

  on_unstrike(span) {
    this.change(ranking.unstrike(this.state, span));
    this.notices.say("Freed.");
  }

  on_rewrite(id) {
    this.mode = null;
    const other = this.state.rewrite?.completion;
    if (other !== undefined && other !== id) return toast(`One rewrite for each task: drop the one of ${LETTERS[this.state.ids.indexOf(other)]} first.`);
    this.cards.openRewrite(id, this.state.rewrite?.text, { focus: true });
    this.draw();
  }

  on_rewrite_text(id, text, original) {
    this.change(ranking.rewrite(this.state, id, text, original));
  }

  on_rewrite_done(id, text, original) {
    this.root.focus();
    this.change(ranking.rewrite(this.state, id, text, original));
  }

  on_rewrite_drop(id) {
    this.cards.closeRewrite(id);
    this.root.focus();
    this.change({ ...this.state, rewrite: null });
  }

  on_keys() {
    this.find("#rank-keys").showModal();
  }

  on_guidelines() {
    toggleDrawer(this.find("#rank-guidelines"), this.find("[data-act=guidelines]"));
  }

  async on_skip() {
    if (this.reopened.current) return toast("This one is submitted: it can be changed, not skipped.");
    const task = this.task.task;
    const given = await ask(this.find("#rank-skip"));
    if (!given || this.task?.task !== task) return;
    this.drafts.drop(task);
    this.queue.add({ kind: "skip", task, ...given });
    this.notices.say("Skipped.");
    this.advance();
  }

  on_submit() {
    const body = ranking.answer(this.state);
    if (body === null) return this.incomplete();
    body.duration_ms = this.watch.value;
    this.notices.say(`Submitted: ${orderSpoken(this.state) || "none acceptable"}.`);
    if (this.reopened.current) {
      if (!this.reopened.submit(body)) toast("It was sent just now: reopen it once more to change it.");
      return this.leaveReopened();
    }
    this.drafts.drop(this.task.task);
    this.queue.add({ kind: "submit", task: this.task.task, shown: { ...this.task, draft: null }, body });
    this.advance();
  }

  incomplete() {
    toast(missing(this.state));
  }

  /** Keys typed while the submission is fetched are meant for it: they wait, and never reach the task on the screen. */
  on_reopen() {
    return this.open(this.reopened.next());
  }

  /** The list of the last ten, from which one is opened. */
  async on_recent() {
    const dialog = this.find("#rank-recent");
    const last = await this.reopened.last();
    if (last === null || last.length === 0) return toast(last ? "You have submitted nothing yet." : this.reopened.problem);
    if (document.querySelector("dialog[open]")) return;
    const index = await chooseRecent(dialog, last);
    if (index !== null) await this.open(this.reopened.open(index));
  }

  /** `mine` is what stands there in place of what was submitted: {state, spent}. */
  async open(wanted, mine = null) {
    const first = !this.reopened.current;
    this.opening = true;
    const found = await wanted;
    this.opening = false;
    const typed = this.typed.splice(0);
    if (!found) return toast(this.reopened.problem);
    if (first && this.task) this.held = { task: this.task, state: this.state, spent: this.watch.value };
    const ids = found.task.completions.map(({ id }) => id);
    const stored = ranking.fromDraft(ids, found.body, found.body.method);
    this.show(found.task, mine?.state ?? stored, mine?.spent ?? found.body.duration_ms ?? 0);
    this.connection();
    this.notices.say("Reopened. Enter saves the change, Escape leaves it as it was.");
    for (const action of typed) {
      if (this.opening) this.typed.push(action);
      else this.act(...action);
    }
  }

  leaveReopened() {
    this.reopened.leave();
    const held = this.held;
    this.held = null;
    if (held) this.show(held.task, held.state, held.spent);
    else {
      this.rest("Loading the next task", "One moment.");
      this.refill();
    }
    this.connection();
  }

  change(state) {
    if (state === this.state) return;
    const before = this.state;
    this.state = state;
    this.notices.say(announce(before, state));
    this.draw();
    if (!this.reopened.current) this.drafts.keep(this.task.task, state, this.watch.value);
  }

  clear() {
    this.cards.clear();
    this.lane.clear();
  }

  draw() {
    this.cards.update(this.state, this);
    this.lane.update(this.state);
    this.scale.update(this.state);
    const ready = ranking.submittable(this.state);
    this.find("[data-act=submit]").classList.toggle("ready", ready);
    this.find("[data-act=none]").setAttribute("aria-pressed", String(this.state.none));
    this.find("[data-act=ratings]")?.setAttribute("aria-pressed", String(this.rating));
    this.root.classList.toggle("choosing", this.mode !== null);
    this.find("#rank-mode").textContent = { flag: "Flag: which one?", rewrite: "Rewrite: which one?", strike_in: "Strike: in which one?" }[this.mode] ?? "";
    const rationale = this.find("#rank-rationale");
    if (rationale.value !== this.state.rationale) rationale.value = this.state.rationale;
  }
}

const page = new Page(document.getElementById("rank"));
page.begin();
