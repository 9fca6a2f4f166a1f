// Questions with a list of reasons, the key sheet, and the guidelines' drawer.
import { el, timeOfDay } from "./dom.js";
import { KEY_SHEET } from "./keys.js";
import { fromDraft } from "./state.js";
import { orderText } from "./words.js";

/** Ask a <dialog> with radio buttons; resolves to {reason, note}, or null when it was left. Digits choose. */
export function ask(dialog, { title, canClear = false } = {}) {
  const form = dialog.querySelector("form");
  form.reset();
  if (title) dialog.querySelector("h2").textContent = title;
  const clear = dialog.querySelector("[data-clear]");
  if (clear) clear.hidden = !canClear;
  return new Promise((resolve) => {
    const events = new AbortController();
    const listen = (target, name, listener) => target.addEventListener(name, listener, { signal: events.signal });
    const leave = (answer) => {
      events.abort();
      dialog.close();
      resolve(answer);
    };
    listen(form, "submit", (event) => {
      event.preventDefault();
      const data = new FormData(form);
      leave({ reason: data.get("reason"), note: (data.get("note") ?? "").trim() });
    });
    listen(dialog, "cancel", (event) => {
      event.preventDefault();
      leave(null);
    });
    listen(dialog, "click", (event) => {
      if (event.target === dialog || event.target.closest("[data-cancel]")) leave(null);
      else if (event.target.closest("[data-clear]")) leave({ reason: "", note: "" });
    });
    listen(dialog, "keydown", (event) => choose(event, form));
    dialog.showModal();
    form.querySelector("input[type=radio]").focus();
  });
}

/** Leave whatever is asked: its task is gone. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) {
    // Who asks hears of it as if Escape had been pressed.
    dialog.dispatchEvent(new Event("cancel", { cancelable: true }));
    dialog.close();
  }
}

function choose(event, form) {
  event.stopPropagation(); // the page's keys rest while a dialog is open
  const radios = [...form.querySelectorAll("input[type=radio]")];
  const radio = radios[Number(event.key) - 1];
  if (radio && event.target.type !== "text") {
    event.preventDefault();
    radio.checked = true;
    radio.focus();
  } else if (event.key === "Enter" && event.target.matches("input")) {
    event.preventDefault();
    form.requestSubmit();
  }
}

/** Let one of the last submissions be chosen; resolves to its index, or null. Digits choose, 0 the tenth. */
export function chooseRecent(dialog, last) {
  const rows = last.map(({ task, body, ranking, at }, index) => {
    const state = fromDraft(task.completions.map(({ id }) => id), body, body.method);
    const said = [orderText(state), state.none && (state.kind === "pair" ? "both bad" : "none acceptable")].filter(Boolean).join(", ");
    const source = task.turns?.[0] ? `${task.turns[0].speaker}: ${task.turns[0].text}` : task.prompt;
    const version = ranking === null ? "waits to be sent" : body.revision > 1 ? `version ${body.revision}` : "";
    const button = el(
      "button",
      { type: "button", class: "recent-one", data: { index } },
      el("span", { class: "recent-time" }, whenOf(at)),
      el("b", { class: "recent-order" }, said),
      el("bdi", { class: "recent-source muted" }, source.slice(0, 120) || "No source"),
      el("small", { class: "muted" }, version),
    );
    return el("li", {}, button);
  });
  const list = dialog.querySelector("ol");
  list.replaceChildren(...rows);
  return new Promise((resolve) => {
    const events = new AbortController();
    const leave = (answer) => {
      events.abort();
      dialog.close();
      resolve(answer);
    };
    const listen = (name, listener) => dialog.addEventListener(name, listener, { signal: events.signal });
    listen("cancel", (event) => {
      event.preventDefault();
      leave(null);
    });
    listen("click", (event) => {
      const one = event.target.closest("[data-index]");
      if (one) leave(Number(one.dataset.index));
      else if (event.target === dialog || event.target.closest("[data-cancel]")) leave(null);
    });
    listen("keydown", (event) => {
      event.stopPropagation();
      const buttons = [...list.querySelectorAll("button")];
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const at = buttons.indexOf(document.activeElement);
      if (step) buttons[Math.max(0, Math.min(at + step, buttons.length - 1))].focus();
      else if (/^[0-9]$/.test(event.key) && buttons[(Number(event.key) + 9) % 10]) leave((Number(event.key) + 9) % 10);
      else return;
      event.preventDefault();
    });
    dialog.showModal();
    list.querySelector("button").focus();
  });
}

function whenOf(at) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const time = timeOfDay(date).slice(0, 5);
  return today ? time : `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

export function fillKeySheet(dialog) {
  const rows = KEY_SHEET.map(([keys, words]) =>
    el("tr", {}, el("td", {}, ...keys.flatMap((key) => [key === "…" ? " … " : el("kbd", {}, key), " "])), el("td", {}, words)),
  );
  dialog.querySelector("tbody").replaceChildren(...rows);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-cancel]")) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (!dialog.open) return; // closed a moment ago, and the focus has not moved yet
    event.stopPropagation();
    if (event.key === "?") dialog.close();
  });
}

/** Opens beside the task, so that one can read it while ranking. */
export function toggleDrawer(drawer, button) {
  drawer.hidden = !drawer.hidden;
  button.setAttribute("aria-expanded", String(!drawer.hidden));
  (drawer.hidden ? button : drawer).focus();
}
