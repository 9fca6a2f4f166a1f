// The order as it stands, `C > A = D > B`: chips to drag, signs between them to press.
import Sortable from "../vendor/sortable.js";
import { el } from "./dom.js";
import { SIGNS, SPOKEN, letter } from "./words.js";
import { best, worst } from "./extremes.js";
import { BETTER } from "./signs.js";
import { complete, marksOf, placed } from "./state.js";

export class Lane {
  /** `act` is called with ("move", id, position), ("cycle", boundary), ("shift", id, step) and ("remove", id). */
  constructor(list, cards, { act }) {
    Object.assign(this, { list, act });
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const common = { animation: still ? 0 : 120, forceFallback: true, fallbackOnBody: true, fallbackTolerance: 4 };
    this.lane = Sortable.create(list, {
      ...common,
      group: { name: "order", pull: false, put: true },
      draggable: ".chip",
      onUpdate: (event) => this.dropped(event.item),
      onAdd: (event) => this.added(event),
    });
    // A card is only lent to the lane: its text stays where it is read.
    this.cards = Sortable.create(cards, {
      ...common,
      group: { name: "order", pull: "clone", put: false },
      sort: false,
      handle: ".grip",
    });
  }

  added(event) {
    const position = this.position(event.item);
    event.clone.replaceWith(event.item);
    this.act("move", Number(event.item.dataset.id), position);
  }

  dropped(item) {
    this.act("move", Number(item.dataset.id), this.position(item));
  }

  /** How many chips stand before an element of the list. */
  position(item) {
    const before = [...this.list.children].slice(0, [...this.list.children].indexOf(item));
    return before.filter((node) => node.classList.contains("chip")).length;
  }

  update(state) {
    this.list.hidden = state.kind === "pair"; // its order is the scale's (scale.js)
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    const nodes = state.kind === "extremes" ? this.extremes(state) : this.order(state);
    this.list.replaceChildren(...nodes);
    const said = placed(state).length > 0;
    this.list.setAttribute("aria-label", said ? "Your order, best first" : "Your order: nothing placed yet");
    if (focused) this.list.querySelector(`[data-focus="${focused}"]`)?.focus();
  }

  order(state) {
    const full = complete(state) ?? state;
    const flat = full.groups.flat();
    const own = placed(state);
    const marks = marksOf(full);
    const nodes = flat.flatMap((id, index) => [
      ...(index > 0 ? [this.sign(marks[index - 1], index - 1)] : []),
      this.chip(state, id, { implied: !own.includes(id) }),
    ]);
    for (let slot = flat.length; slot < state.ids.length; slot += 1) {
      if (slot > 0) nodes.push(this.waiting(slot === flat.length ? state.pending : null));
      nodes.push(el("li", { class: "slot", "aria-hidden": "true" }));
    }
    return nodes;
  }

  /** The best, how many stand between, the worst. */
  extremes(state) {
    const place = (id, name) =>
      id === undefined ? el("li", { class: "slot slot-named", "aria-hidden": "true" }, name) : this.chip(state, id, { implied: false, name });
    const between = el("li", { class: "between muted" }, `> ${state.ids.length - 2} others >`);
    return [place(best(state), "best"), between, place(worst(state), "worst")];
  }

  clear() {
    this.list.replaceChildren();
  }

  chip(state, id, { implied, name: place = "" }) {
    const name = letter(state, id);
    const keydown = (event) => {
      const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
      if (step && event.altKey) {
        event.preventDefault();
        this.act("shift", id, step);
      } else if (event.key === "Delete") this.act("remove", id);
    };
    const button = el(
      "button",
      {
        type: "button",
        class: "chip-button",
        title: implied ? "The last one is implied" : "Drag, or Alt with arrows; Delete takes it out",
        data: { focus: `chip-${id}` },
        on: { keydown },
      },
      el("span", { class: "glyph" }, name),
      el("span", { class: "sr-only" }, implied ? ", implied last" : `${place && `, ${place}`}. Alt and arrow keys move it, Delete takes it out`),
    );
    return el("li", { class: implied ? "chip implied" : "chip", data: { id } }, button);
  }

  sign(mark, boundary) {
    const words = SPOKEN[mark];
    const button = el(
      "button",
      {
        type: "button",
        class: mark === BETTER ? "sign" : "sign sign-said",
        title: `${words}: press to change`,
        data: { focus: `sign-${boundary}` },
        on: { click: () => this.act("cycle", boundary) },
      },
      el("span", { class: "glyph", "aria-hidden": "true" }, SIGNS[mark]),
      el("span", { class: "sr-only" }, `${words}. Change`),
    );
    return el("li", { class: "sign-item" }, button);
  }

  waiting(pending) {
    const look = pending === null ? "faint" : "sign-pending";
    const glyph = el("span", { class: "glyph" }, SIGNS[pending ?? BETTER]);
    return el("li", { class: `sign-item ${look}`, "aria-hidden": "true" }, glyph);
  }
}
