// Questions with a list of reasons, the key sheet, and the guidelines' drawer.
import { el } from "./dom.js";
import { KEY_SHEET } from "./keys.js";

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
