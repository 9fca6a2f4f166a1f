// The source: turns of a conversation, numbered; anything else stays as it is. Its middle may be folded away.
import { el } from "./dom.js";
import { facts, lacking } from "./marks.js";
import { renderProse } from "./prose.js";
import { LETTERS } from "./words.js";

const TURN = /^\s*([^\s:][^:\n]{0,39}):\s+(\S.*)$/;
const TINTS = 6;
const KEPT_TURNS = 4; // at either end, when the middle is folded
const KEPT_CHARACTERS = 900;

/** [{speaker, text}], or null where the text is no dialogue. A line without a name goes on with the turn before;
    lines before the first name, which tell where it happens, are a turn of nobody. */
export function turnsOf(text) {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const turns = [];
  let named = 0;
  for (const line of lines) {
    const match = TURN.exec(line);
    if (match) {
      named += 1;
      turns.push({ speaker: match[1].trim(), text: match[2].trim() });
    } else if (turns.length > 0) turns.at(-1).text += `\n${line.trim()}`;
    else turns.push({ speaker: "", text: line.trim() });
  }
  return named >= 2 && 2 * named >= lines.length ? turns : null;
}

/** Everything a completion may take its names and numbers from. */
export const sourceText = ({ prompt, turns }) =>
  [prompt, ...(turns ?? []).map((turn) => `${turn.speaker}: ${turn.text}`)].join("\n");

export class Source {
  /** `fold` is the button beside the heading; `store` remembers whether it was pressed. */
  constructor(container, fold, store) {
    Object.assign(this, { container, fold, store, folded: store.get("folded", false), blocks: [], opened: false });
    fold.addEventListener("click", () => this.toggle());
    container.addEventListener("beforematch", () => this.open()); // the browser's own search found it
  }

  show(task) {
    const turns = task.turns?.length ? task.turns : turnsOf(task.prompt);
    this.task = task;
    this.speakers = [...new Set((turns ?? []).map((turn) => turn.speaker).filter(Boolean))];
    this.opened = false;
    if (turns) this.showTurns(turns);
    else if (task.prompt.trim()) this.showText(task.prompt);
    else {
      this.blocks = [];
      this.middle = null;
      this.container.replaceChildren(el("p", { class: "muted" }, "No source: judge the texts by themselves."));
    }
    this.mark(false);
    this.foldNow();
  }

  showTurns(turns) {
    this.blocks = turns.map((turn) => ({ text: turn.text, field: el("span", { class: "turn-text", dir: "auto" }) }));
    const rows = turns.map((turn, index) =>
      el(
        "li",
        { class: turn.speaker ? `turn turn-${this.speakers.indexOf(turn.speaker) % TINTS}` : "turn turn-scene", data: { turn: index + 1 } },
        el("bdi", { class: "turn-name" }, turn.speaker),
        this.blocks[index].field,
      ),
    );
    const [head, tail] = [KEPT_TURNS, rows.length - KEPT_TURNS];
    if (tail - head < 2 * KEPT_TURNS) return this.lay([el("ol", { class: "turns" }, ...rows)], null);
    const part = (from, to) => el("ol", { class: "turns", start: from + 1 }, ...rows.slice(from, to));
    this.lay([part(0, head), part(head, tail), part(tail)], `${tail - head} turns`);
  }

  showText(text) {
    const cuts = text.length > 4 * KEPT_CHARACTERS ? cutsOf(text) : null;
    const parts = cuts ? [text.slice(0, cuts[0]), text.slice(cuts[0], cuts[1]), text.slice(cuts[1])] : [text];
    this.blocks = parts.map((part) => ({ text: part, field: el("div", { class: "source-text", dir: "auto" }) }));
    this.lay(this.blocks.map((block) => block.field), cuts ? `${cuts[1] - cuts[0]} characters` : null);
  }

  /** Of three parts the second can be folded away; `what` says how much that is. */
  lay(parts, what) {
    this.middle = what === null ? null : parts[1];
    this.gap = what === null ? null : el("button", { type: "button", class: "source-gap line", on: { click: () => this.open() } }, `Show ${what} in the middle`);
    this.container.replaceChildren(...(this.gap ? [parts[0], this.gap, ...parts.slice(1)] : parts));
  }

  toggle() {
    this.folded = !this.isFolded;
    this.opened = false;
    this.store.set("folded", this.folded);
    this.foldNow();
  }

  /** Show the middle of this task's source; the next one is folded again. */
  open() {
    if (!this.isFolded) return;
    this.opened = true;
    this.foldNow();
  }

  get isFolded() {
    return this.middle !== null && this.folded && !this.opened;
  }

  foldNow() {
    this.fold.hidden = this.middle === null;
    if (this.middle === null) return;
    this.fold.setAttribute("aria-pressed", String(this.isFolded));
    // Not display: none, where the browser can: its own search still finds what is folded.
    if (this.isFolded) this.middle.setAttribute("hidden", "until-found");
    else this.middle.removeAttribute("hidden");
    this.gap.hidden = !this.isFolded;
  }

  /** Show which names and numbers of the source some completion leaves out, and in which. */
  mark(marked) {
    const known = marked ? this.facts() : [];
    const without = this.task.completions.map(({ text }) => new Set(lacking(text, known)));
    this.blocks.forEach(({ text, field }, block) => {
      const ranges = known.filter((fact) => fact.block === block && without.some((some) => some.has(fact)));
      const wrap = (fact, ...children) => {
        const letters = LETTERS.slice(0, without.length).split("").filter((_, index) => without[index].has(fact));
        return el("mark", { class: "lacking", title: `Not in ${letters.join(", ")}`, data: { lacking: letters.join("") } }, ...children);
      };
      renderProse(field, text, [{ ranges, wrap }]);
    });
  }

  facts() {
    return facts(this.blocks.map((block) => block.text), this.speakers);
  }
}

/** Where a long text is cut: after a word, near its two ends. */
function cutsOf(text) {
  const space = (at) => at + Math.max(text.slice(at, at + KEPT_CHARACTERS).search(/\s/), 0);
  return [space(KEPT_CHARACTERS), space(text.length - KEPT_CHARACTERS)];
}
