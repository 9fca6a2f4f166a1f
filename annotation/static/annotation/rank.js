// The ranking page: keys, clicks and drags become states; states become what is on the screen.
import { Api } from "./api.js";
import { LeaseClock, Stopwatch } from "./clock.js";
import { Cards } from "./cards.js";
import { ask, fillKeySheet, toggleDrawer } from "./dialogs.js";
import { timeOfDay } from "./dom.js";
import { Drafts } from "./drafts.js";
import { actionOf } from "./keys.js";
import { Lane } from "./lane.js";
import { Notices } from "./notices.js";
import { Progress } from "./progress.js";
import { Queue } from "./queue.js";
import { Reopened } from "./reopened.js";
import { renderSource } from "./source.js";
import * as ranking from "./state.js";
import { Store } from "./store.js";
import { Supply } from "./supply.js";
import { LETTERS, announce, orderSpoken } from "./words.js";
import { toast } from "../kedge/toast.js";

const LOOK_AGAIN_MS = 20000;

class Page {
  constructor(root) {
    const { api, project, user } = root.dataset;
    const criteria = JSON.parse(root.dataset.criteria);
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    Object.assign(this, { task: null, state: null, mode: null, rating: false, timer: null });
    this.store = new Store(user, project);
    this.marked = this.store.get("marked", false);
    this.api = new Api(api);
    this.queue = new Queue(this.api, this.store);
    this.supply = new Supply(this.api, project);
    this.drafts = new Drafts(this.api, this.store, (text) => this.saved(text));
    this.reopened = new Reopened(this.api, this.queue, project);
    this.progress = new Progress(root);
    this.notices = new Notices(root);
    this.clock = new LeaseClock(this.find("#rank-lease"));
    this.watch = new Stopwatch();
    const act = (name, ...rest) => this.act(name, ...rest);
    this.cards = new Cards(this.find("#rank-cards"), { criteria, act });
    this.lane = new Lane(this.find("#rank-lane"), this.find("#rank-cards"), { act });
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
    this.queue.addEventListener("sent", ({ detail }) => this.sent(detail));
    this.queue.addEventListener("refused", ({ detail }) => this.refused(detail));
    this.queue.addEventListener("changed", () => {
      this.connection();
      if (!this.task && this.queue.length === 0) this.refill();
    });
    window.addEventListener("online", () => this.begin());
  }

  async begin() {
    await this.queue.retry();
    await this.refill();
  }

  pressed(event) {
    if (document.querySelector("dialog[open]")) return;
    const action = actionOf(event, this.task?.completions.length ?? 0);
    if (!action) return;
    event.preventDefault();
    this.act(...action);
  }

  // -- One method for each act ------------------------------------------------------------------

  act(name, ...rest) {
    const free = { keys: 1, guidelines: 1, reopen: 1, marks: 1, escape: 1 };
    if (!this.task && !free[name]) return;
    this[`on_${name}`.replaceAll("-", "_")](...rest);
  }

  on_digit(digit) {
    const id = this.state.ids[digit - 1];
    if (this.mode) this.act(this.mode, id);
    else if (ranking.isPlaced(this.state, id)) this.notices.say(`${LETTERS[digit - 1]} is placed already. Backspace takes the last one back.`);
    else this.change(ranking.place(this.state, id));
  }

  on_toggle(id) {
    if (this.mode) return this.act(this.mode, id);
    const { isPlaced, remove, place } = ranking;
    this.change(isPlaced(this.state, id) ? remove(this.state, id) : place(this.state, id));
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
    if (this.task) this.cards.mark(this.task, this);
  }

  on_mode(mode) {
    this.mode = this.mode === mode ? null : mode;
    this.notices.say(this.mode ? `Which one? Press its digit to ${mode} it.` : "");
    this.draw();
  }

  on_escape() {
    if (this.mode) this.on_mode(this.mode);
    else if (!this.find("#rank-guidelines").hidden) this.on_guidelines();
    else if (this.reopened.current) this.leaveReopened();
  }

  async on_flag(id) {
    this.mode = null;
    const name = LETTERS[this.state.ids.indexOf(id)];
    const given = await ask(this.find("#rank-flag"), { title: `Flag ${name}`, canClear: Boolean(this.state.flags[id]) });
    if (given) this.change(ranking.flag(this.state, id, [given.reason, given.note].filter(Boolean).join(": ").slice(0, 200)));
    else this.draw();
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
    const rest = ranking.unplaced(this.state).map((id) => LETTERS[this.state.ids.indexOf(id)]);
    const text = ranking.touched(this.state) ? `Not placed yet: ${rest.join(", ")}.` : "Place the best one first: press its digit, or click it.";
    toast(text);
  }

  async on_reopen() {
    if (!this.reopened.current && this.task) this.held = { task: this.task, state: this.state, spent: this.watch.value };
    const found = await this.reopened.next();
    if (!found) return toast(this.reopened.problem);
    this.show(found.task, ranking.fromDraft(found.task.completions.map(({ id }) => id), found.body));
    this.connection();
    this.notices.say("Reopened. Enter saves the change, Escape leaves it as it was.");
  }

  leaveReopened() {
    this.reopened.leave();
    const held = this.held;
    this.held = null;
    if (held) this.show(held.task, held.state, held.spent);
    else this.refill();
    this.connection();
  }

  // -- Tasks --------------------------------------------------------------------------------------

  change(state) {
    if (state === this.state) return;
    const before = this.state;
    this.state = state;
    this.notices.say(announce(before, state));
    this.draw();
    if (!this.reopened.current) this.drafts.keep(this.task.task, state, this.watch.value);
  }

  draw() {
    this.cards.update(this.state, this);
    this.lane.update(this.state);
    const ready = ranking.submittable(this.state);
    this.find("[data-act=submit]").classList.toggle("ready", ready);
    this.find("[data-act=none]").setAttribute("aria-pressed", String(this.state.none));
    this.find("[data-act=ratings]")?.setAttribute("aria-pressed", String(this.rating));
    this.root.classList.toggle("choosing", this.mode !== null);
    this.find("#rank-mode").textContent = { flag: "Flag: which one?", rewrite: "Rewrite: which one?" }[this.mode] ?? "";
    const rationale = this.find("#rank-rationale");
    if (rationale.value !== this.state.rationale) rationale.value = this.state.rationale;
  }

  show(task, state, spent) {
    const draft = state ? null : this.drafts.of(task);
    this.task = task;
    this.state = state ?? ranking.fromDraft(task.completions.map(({ id }) => id), draft);
    this.mode = null;
    this.rating = Object.keys(this.state.ratings).length > 0 || (this.rating && this.cards.criteria.length > 0);
    this.watch.reset(spent ?? draft?.spent ?? 0);
    renderSource(this.find("#rank-source"), task.prompt);
    this.cards.show(task, this);
    this.clock.set(this.reopened.current ? null : task.lease_expires);
    this.saved(draft ? "draft" : "");
    this.notices.work();
    this.root.classList.add("working");
    this.draw();
    this.find("#rank-source").scrollTop = 0;
    this.find("#rank-cards").scrollTop = 0;
    window.scrollTo(0, 0);
  }

  rest(title, text, actions) {
    this.task = null;
    this.root.classList.remove("working");
    this.clock.set(null);
    this.notices.rest(title, text, actions);
  }

  async advance() {
    const next = this.supply.take(this.task.task);
    this.root.dataset.ahead = "";
    if (next) this.show(next);
    else this.rest("Loading the next task", "One moment.");
    await this.queue.flush();
    await this.refill();
  }

  /** Ask the server what is on: it confirms the task on the screen and starts its clock, or gives one. */
  async refill() {
    clearTimeout(this.timer);
    if (this.queue.length > 0) return this.unanswered(this.queue.problem ?? "offline");
    const { task, problem } = await this.supply.refresh();
    if (problem) return this.unanswered(problem);
    this.connection();
    if (this.reopened.current) return;
    if (task === null) return this.task && ranking.touched(this.state) ? undefined : this.finished();
    if (task.task === this.task?.task) this.clock.set(task.lease_expires);
    else if (!this.task || !ranking.touched(this.state)) this.show(task);
    this.root.dataset.ahead = (await this.supply.prefetch(task.task)) ? "ready" : "";
  }

  unanswered(problem) {
    this.timer = setTimeout(() => this.begin(), LOOK_AGAIN_MS);
    this.connection(problem);
    if (this.task) return;
    const again = [{ label: "Try again", run: () => this.begin() }];
    if (["offline", "logged-out"].includes(problem)) {
      this.rest("No new task for now", "What you ranked is kept in this browser and will be sent. The next task comes with the connection.", again);
    } else this.rest("No task", problem, again);
  }

  finished() {
    this.timer = setTimeout(() => this.begin(), LOOK_AGAIN_MS);
    const { hint, lead } = this.root.dataset;
    const actions = [{ label: "Look again", run: () => this.begin() }];
    if (lead) actions.push({ label: hint, href: lead });
    const who = lead ? "New tasks come from new prompts, or from the next round's completions." : "New tasks come by themselves; the project's lead can import more.";
    this.rest("All done: nothing left to rank", `You have ranked every task that is meant for you. ${who} This page looks again every few seconds.`, actions);
  }

  // -- The server's answers -----------------------------------------------------------------------

  sent({ item, answer }) {
    if (item.kind === "skip") return;
    this.progress.counted(item.kind, answer);
    this.find("#rank-last").textContent = `${answer.pairs} pairs stored ${timeOfDay()}`;
  }

  refused({ item, error }) {
    const what = { submit: "Your ranking was not stored", revise: "Your change was not stored", skip: "The task could not be skipped" };
    toast(`${what[item.kind]}. ${error.message}`, "error");
  }

  connection(problem = this.queue.problem) {
    const waiting = this.queue.length;
    const kept = waiting === 0 ? "" : ` ${waiting === 1 ? "One answer waits" : `${waiting} answers wait`} in this browser and will be sent.`;
    if (problem === "logged-out") {
      const href = `${this.root.dataset.login}?next=${encodeURIComponent(location.pathname)}`;
      this.notices.show(`You are logged out.${kept}`, { actions: [{ label: "Log in", href }] });
    } else if (problem === "offline") {
      this.notices.show(`No connection.${kept}`, { actions: [{ label: "Try again", run: () => this.begin() }] });
    } else if (this.reopened.current) {
      const text = `You are changing ${this.reopened.title}. Enter saves a new version.`;
      this.notices.show(text, { kind: "info", actions: [{ label: "Leave it as it was", run: () => this.leaveReopened() }] });
    } else this.notices.show(null);
  }

  saved(text) {
    this.find("#rank-saved").textContent = text;
  }
}

const page = new Page(document.getElementById("rank"));
page.begin();
