// What the page says: to screen readers, in its banner, and instead of a task when there is none.
import { el } from "./dom.js";

export class Notices {
  constructor(root) {
    this.live = root.querySelector("#rank-say");
    this.banner = root.querySelector("#rank-banner");
    this.empty = root.querySelector("#rank-empty");
  }

  /** Said by a screen reader; the same words again are said again. */
  say(text) {
    if (!text) return;
    this.live.textContent = "";
    setTimeout(() => {
      this.live.textContent = text;
    }, 30);
  }

  /** A line above the task; null takes it away. `actions` are {label, run} or {label, href}. */
  show(text, { kind = "warning", actions = [] } = {}) {
    if (text === this.shown) return;
    this.shown = text;
    this.banner.hidden = text === null;
    if (text === null) return;
    this.banner.className = `notice notice-${kind} rank-banner`;
    this.banner.replaceChildren(el("span", {}, text), el("span", { class: "rank-banner-actions" }, ...actions.map(button)));
  }

  /** Instead of a task. */
  rest(title, text, actions = []) {
    this.empty.replaceChildren(el("h2", {}, title), el("p", {}, text), el("div", { class: "rank-actions" }, ...actions.map(button)));
    this.empty.hidden = false;
  }

  work() {
    this.empty.hidden = true;
  }
}

function button({ label, run, href }) {
  if (href) return el("a", { href, role: "button", class: "line" }, label);
  return el("button", { type: "button", class: "line", on: { click: run } }, label);
}
