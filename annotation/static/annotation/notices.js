// What the page says: to screen readers, in its banner, and instead of a task when there is none.
import { el } from "./dom.js";

export class Notices {
  constructor(root) {
    this.live = root.querySelector("#rank-say");
    this.banner = new Banner(root.querySelector("#rank-banner"));
    this.lease = new Banner(root.querySelector("#rank-lease-banner"));
    this.tab = new Banner(root.querySelector("#rank-tab-banner"));
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

  /** Instead of a task. */
  rest(title, text, actions = []) {
    this.empty.replaceChildren(el("h2", {}, title), el("p", {}, text), el("div", { class: "rank-actions" }, ...actions.map(button)));
    this.empty.hidden = false;
  }

  work() {
    this.empty.hidden = true;
  }
}

/** A line above the task. */
class Banner {
  constructor(box) {
    this.box = box;
    this.shown = null;
  }

  /** Null takes it away. `actions` are {label, run} or {label, href}. */
  show(text, { kind = "warning", actions = [] } = {}) {
    if (text === this.shown) return;
    this.shown = text;
    this.box.hidden = text === null;
    if (text === null) return;
    this.box.className = `notice notice-${kind} rank-banner`;
    this.box.replaceChildren(el("span", {}, text), el("span", { class: "rank-banner-actions" }, ...actions.map(button)));
  }
}

function button({ label, run, href }) {
  if (href) return el("a", { href, role: "button", class: "line" }, label);
  return el("button", { type: "button", class: "line", on: { click: run } }, label);
}
