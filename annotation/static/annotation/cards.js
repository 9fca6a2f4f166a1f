// One card for each completion: its whole text, its place in the order, its flag, struck parts, rewrite and ratings.
import { el, icon } from "./dom.js";
import { added, lacking } from "./marks.js";
import { openPicker } from "./picker.js";
import { renderProse } from "./prose.js";
import { selectedIn, struckIn } from "./spans.js";
import { LETTERS, placeOf } from "./words.js";
import { isPlaced } from "./state.js";

const CONTROLS = "button, a, input, textarea, label, select, .card-extra, .card-picker, .card-struck";
const LACKS_SHOWN = 12;
const NEXT = { order: "place it next", pair: "choose it", extremes: "make it the best, or the worst" };

export class Cards {
  /** `act` is called with (name, id, …): "toggle", "flag", "strike", "unstrike", "rewrite", "rewrite-text", "rate". */
  constructor(list, { criteria, act }) {
    Object.assign(this, { list, criteria, act, cards: new Map() });
  }

  /** Build the cards of a task. */
  show(task, options) {
    this.cards = new Map(task.completions.map(({ id, text }, index) => [id, this.build(id, text, index)]));
    this.list.replaceChildren(...[...this.cards.values()].map((card) => card.item));
  }

  clear() {
    this.cards.clear();
    this.list.replaceChildren();
  }

  /** `source` is the text to look names and numbers up in, `facts` those of its own; null where none are marked. */
  mark(source, facts) {
    Object.assign(this, { source, facts });
    for (const card of this.cards.values()) {
      card.drawn = null;
      card.lacks.hidden = facts === null;
      if (facts !== null) card.lacks.textContent = lacksWords(lacking(card.original, facts).map((fact) => fact.name));
    }
  }

  /** The text, with what is marked or struck in it; drawn anew only when that changed, so that a selection stays. */
  drawText(card, id, state) {
    const struck = struckIn(state, id, card.original);
    const drawn = JSON.stringify(struck);
    if (card.drawn === drawn) return;
    card.drawn = drawn;
    const strange = this.facts === null ? [] : added(card.original, this.source);
    renderProse(card.text, card.original, [
      { ranges: strange, wrap: (_, ...children) => el("mark", { title: "Not in the source" }, ...children) },
      { ranges: struck, wrap: (_, ...children) => el("del", { title: "Struck as unsupported" }, ...children) },
    ]);
    if (card.original.trim() === "") card.text.append(el("em", { class: "muted" }, "This text is empty."));
    const items = struck.map(({ start, end, span }) => {
      const words = card.original.slice(start, end);
      const label = `Free “${words}” of ${card.letter}`;
      const button = el("button", { type: "button", class: "quiet struck-free", "aria-label": label, on: { click: () => this.act("unstrike", span) } }, icon("x"));
      return el("li", {}, el("bdi", {}, words), button);
    });
    card.struck.replaceChildren(...items);
    card.struck.hidden = items.length === 0;
  }

  build(id, original, index) {
    const letter = LETTERS[index];
    const card = { letter, original };
    card.place = el("span", { class: "card-place" });
    card.pick = el(
      "button",
      { type: "button", class: "card-pick", on: { click: () => this.act("toggle", id) } },
      el("span", { class: "card-letter" }, letter),
      el("kbd", { "aria-hidden": "true" }, String(index + 1)),
      (card.says = el("span", { class: "sr-only" })),
    );
    card.text = el("p", { class: "card-text", id: `text-${id}`, dir: "auto" });
    card.lacks = el("p", { class: "card-lacks", hidden: true });
    card.struck = el("ul", { class: "card-struck", "aria-label": `Unsupported in ${letter}`, hidden: true });
    card.picker = el("div", { class: "card-picker", hidden: true });
    card.strike = this.tool("strikethrough", `Strike what is unsupported in ${letter}`, () => this.act("strike", id));
    // The selection is what is to be struck: pressing the button must not take it away.
    card.strike.addEventListener("pointerdown", (event) => event.preventDefault());
    card.note = el("p", { class: "card-note", hidden: true });
    card.flag = this.tool("flag", `Flag ${letter}`, () => this.act("flag", id));
    card.rewrite = this.tool("pencil", `Rewrite ${letter}`, () => this.act("rewrite", id));
    card.extra = el("div", { class: "card-extra", hidden: true });
    card.ratings = this.criteria.length ? this.ratingRows(id, letter) : null;
    card.item = el(
      "li",
      { class: "card-item", data: { id }, on: { click: (event) => this.clicked(event, id) } },
      el("div", { class: "card-side" }, card.pick, el("span", { class: "grip", title: "Drag into the order" }, icon("grip-vertical"))),
      el("div", { class: "card-main" }, card.text, card.lacks, card.struck, card.note, card.picker, card.extra, card.ratings),
      el("div", { class: "card-end" }, card.place, el("span", { class: "card-tools" }, card.flag, card.strike, card.rewrite)),
    );
    return card;
  }

  tool(name, label, click) {
    return el("button", { type: "button", class: "quiet icon-button", title: label, "aria-label": label, on: { click } }, icon(name));
  }

  clicked(event, id) {
    if (event.target.closest(CONTROLS)) return;
    if (window.getSelection().toString().trim() === "") this.act("toggle", id);
    else if (event.detail === 2) this.act("back"); // a word was selected: what the first of the two clicks did was not meant
  }

  /** What is selected in a card's text: {id, start, end} in UTF-16 units, or null. */
  selected() {
    const found = selectedIn(".card-text");
    const id = [...this.cards].find(([, card]) => card.text === found?.element)?.[0];
    return id === undefined ? null : { id, start: found.start, end: found.end };
  }

  /** Select a part of a text by keyboard. */
  pick(id, done) {
    const card = this.cards.get(id);
    openPicker(card.picker, card.original, { letter: card.letter, done });
  }

  ratingRows(id, letter) {
    const rows = this.criteria.map((criterion) => {
      const name = `rate-${id}-${criterion}`;
      const choices = [1, 2, 3, 4, 5].map((value) =>
        el(
          "label",
          { class: "rate" },
          el("input", { type: "radio", name, value, on: { click: (event) => this.rated(event, criterion, id, value) } }),
          el("span", {}, String(value)),
        ),
      );
      return el("fieldset", { class: "rating" }, el("legend", {}, criterion, el("span", { class: "sr-only" }, ` of ${letter}`)), ...choices);
    });
    return el("div", { class: "card-ratings", hidden: true }, ...rows);
  }

  // A click on the chosen value takes the rating off again.
  rated(event, criterion, id, value) {
    const again = event.target.dataset.chosen === "yes";
    this.act("rate", id, criterion, again ? null : value);
  }

  /** Draw the state on the cards that are there. */
  update(state, { rating, mode }) {
    for (const [id, card] of this.cards) {
      const place = placeOf(state, id);
      const placed = state.kind === "pair" ? place !== null : isPlaced(state, id);
      card.item.classList.toggle("placed", placed);
      card.item.classList.toggle("implied", place !== null && !placed);
      card.item.classList.toggle("wanted", mode !== null);
      card.place.textContent = place ?? "";
      card.pick.setAttribute("aria-pressed", String(placed));
      card.says.textContent = placed ? `, ${place}. Take it out` : `: ${NEXT[state.kind]}`;
      card.pick.setAttribute("aria-describedby", `text-${id}`);
      const reason = state.flags[id];
      this.drawText(card, id, state);
      card.flag.setAttribute("aria-pressed", String(Boolean(reason)));
      card.strike.setAttribute("aria-pressed", String(!card.struck.hidden));
      card.note.hidden = !reason;
      card.note.textContent = reason ? `Flagged: ${reason}` : "";
      card.rewrite.setAttribute("aria-pressed", String(state.rewrite?.completion === id));
      this.updateExtra(card, id, state);
      if (card.ratings) this.updateRatings(card, id, state, rating);
    }
  }

  updateExtra(card, id, state) {
    const text = state.rewrite?.completion === id ? state.rewrite.text : null;
    const field = card.extra.querySelector("textarea");
    if (field) {
      if (text === null && document.activeElement !== field) this.closeRewrite(id);
    } else if (text !== null) this.openRewrite(id, text, { focus: false });
  }

  updateRatings(card, id, state, rating) {
    card.ratings.hidden = !rating;
    for (const input of card.ratings.querySelectorAll("input")) {
      const criterion = input.name.slice(`rate-${id}-`.length);
      input.checked = state.ratings[criterion]?.[id] === Number(input.value);
      input.dataset.chosen = input.checked ? "yes" : "";
    }
  }

  /** The rewrite stands under the original, never instead of it. */
  openRewrite(id, text, { focus }) {
    const card = this.cards.get(id);
    if (!card.extra.querySelector("textarea")) {
      const field = el("textarea", {
        rows: 3,
        id: `rewrite-${id}`,
        on: {
          input: () => this.act("rewrite-text", id, field.value, card.original),
          keydown: (event) => {
            if (event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey))) {
              event.preventDefault();
              event.stopPropagation();
              this.act("rewrite-done", id, field.value, card.original);
            }
          },
        },
      });
      field.value = text ?? card.original;
      const drop = el("button", { type: "button", class: "quiet", on: { click: () => this.act("rewrite-drop", id) } }, "Drop");
      const hint = el("small", { class: "muted" }, "Kept with your ranking. Esc goes back to the keys.");
      card.extra.replaceChildren(
        el("label", { for: `rewrite-${id}` }, `A better ${card.letter}`),
        field,
        el("div", { class: "card-extra-end" }, hint, drop),
      );
      card.extra.hidden = false;
    }
    if (focus) card.extra.querySelector("textarea").focus();
  }

  closeRewrite(id) {
    const card = this.cards.get(id);
    card.extra.hidden = true;
    card.extra.replaceChildren();
  }
}

function lacksWords(names) {
  if (names.length === 0) return "Leaves out no name and no number of the source.";
  const more = names.length > LACKS_SHOWN ? ` and ${names.length - LACKS_SHOWN} more` : "";
  return `Leaves out: ${names.slice(0, LACKS_SHOWN).join(", ")}${more}`;
}
