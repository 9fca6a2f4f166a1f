// Of two completions: which is better, and by how much, as one row of buttons from A to B.
import { el } from "./dom.js";
import { choiceOf } from "./pair.js";
import { SPOKEN } from "./words.js";

const STEPS = [
  [0, 3, "A", "≫"],
  [0, 2, "A", ">"],
  [0, 1, "A", "≳"],
  [null, "=", "", "="],
  [1, 1, "≲", "B"],
  [1, 2, "<", "B"],
  [1, 3, "≪", "B"],
];

export class Scale {
  /** `act` is called with ("choose", place in the display order, strength) or ("relate", "="). */
  constructor(box, { act }) {
    this.box = box;
    this.buttons = STEPS.map(([place, mark, first, second]) => {
      const words = place === null ? "Equal" : `${"AB"[place]} is ${SPOKEN[mark].replace(" than", "")}`;
      const click = () => (place === null ? act("relate", "=") : act("choose", place, mark));
      const signs = [first, second].filter(Boolean).map((part) => el("span", { class: /[AB]/.test(part) ? "glyph scale-letter" : "glyph" }, part));
      return el("button", { type: "button", class: "scale-step", title: words, "aria-label": words, "aria-pressed": "false", on: { click } }, ...signs);
    });
    box.replaceChildren(...this.buttons);
  }

  update(state) {
    this.box.hidden = state.kind !== "pair";
    if (this.box.hidden) return;
    const now = choiceOf(state);
    STEPS.forEach(([place, mark], index) => {
      const chosen = now !== null && now.mark === mark && (place === null || state.ids[place] === now.id);
      this.buttons[index].setAttribute("aria-pressed", String(chosen));
    });
  }
}
