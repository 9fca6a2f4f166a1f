// One card for each completion: its whole text, its place in the order, its flag, rewrite and ratings.
import { el, icon } from "./dom.js";
import { renderText } from "./marks.js";
import { LETTERS, placeOf } from "./words.js";
import { isPlaced } from "./state.js";

const CONTROLS = "button, a, input, textarea, label, select, .card-extra";

export class Cards {
  /** `act` is called with (name, id, …): "toggle", "flag", "rewrite", "rewrite-text", "rate", "shift". */
  constructor(list, { criteria, act }) {
    Object.assign(this, { list, criteria, act, cards: new Map() });
  }

  /** Build the cards of a task. */
  show(task, options) {
    this.cards = new Map(task.completions.map(({ id, text }, index) => [id, this.build(id, text, index)]));
    this.list.replaceChildren(...[...this.cards.values()].map((card) => card.item));
    this.mark(task, options);
  }

  clear() {
    this.cards.clear();
    this.list.replaceChildren();
  }

  mark(task, { marked }) {
    for (const { id, text } of task.completions) renderText(this.cards.get(id).text, text, task.prompt, { marked });
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
    card.text = el("p", { class: "card-text", id: `text-${id}` });
    card.note = el("p", { class: "card-note", hidden: true });
    card.flag = this.tool("flag", `Flag ${letter}`, () => this.act("flag", id));
    card.rewrite = this.tool("pencil", `Rewrite ${letter}`, () => this.act("rewrite", id));
    card.extra = el("div", { class: "card-extra", hidden: true });
    card.ratings = this.criteria.length ? this.ratingRows(id, letter) : null;
    card.item = el(
      "li",
      { class: "card-item", data: { id }, on: { click: (event) => this.clicked(event, id) } },
      el("div", { class: "card-side" }, card.pick, el("span", { class: "grip", title: "Drag into the order" }, icon("grip-vertical"))),
      el("div", { class: "card-main" }, card.text, card.note, card.extra, card.ratings),
      el("div", { class: "card-end" }, card.place, el("span", { class: "card-tools" }, card.flag, card.rewrite)),
    );
    return card;
  }

  tool(name, label, click) {
    return el("button", { type: "button", class: "quiet icon-button", title: label, "aria-label": label, on: { click } }, icon(name));
  }

  clicked(event, id) {
    if (event.target.closest(CONTROLS) || !window.getSelection().isCollapsed) return;
    this.act("toggle", id);
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
      const placed = isPlaced(state, id);
      card.item.classList.toggle("placed", placed);
      card.item.classList.toggle("implied", place !== null && !placed);
      card.item.classList.toggle("wanted", mode !== null);
      card.place.textContent = place ?? "";
      card.pick.setAttribute("aria-pressed", String(placed));
      card.says.textContent = placed ? `, ${place}. Take it out` : ": place it next";
      card.pick.setAttribute("aria-describedby", `text-${id}`);
      const reason = state.flags[id];
      card.flag.setAttribute("aria-pressed", String(Boolean(reason)));
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
