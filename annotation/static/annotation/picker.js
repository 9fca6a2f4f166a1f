// Selecting a part of a text by keyboard: a field with a caret, whose text cannot be changed.
import { el } from "./dom.js";
import { placeholders } from "./prose.js";

/** Calls `done` with {start, end} in UTF-16 units of `text`, or with null when it is left. */
export function openPicker(box, text, { letter, done }) {
  const field = el("textarea", {
    rows: 3,
    inputmode: "none", // the caret, without a phone's keyboard
    spellcheck: "false",
    dir: "auto",
    "aria-label": `Text of ${letter}: select what the source does not support`,
  });
  field.value = placeholders(text);
  const shown = field.value;
  const leave = (answer) => {
    box.hidden = true;
    box.replaceChildren();
    done(answer);
  };
  const strike = () => {
    const { selectionStart, selectionEnd } = field;
    leave(selectionEnd > selectionStart ? { start: original(text, selectionStart), end: original(text, selectionEnd) } : null);
  };
  field.addEventListener("beforeinput", (event) => event.preventDefault());
  field.addEventListener("input", () => {
    field.value = shown; // what an input method wrote in spite of it
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") leave(null);
    else if (event.key === "Enter" || event.key.toLowerCase() === "u") strike();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const button = (name, words, click) => el("button", { type: "button", class: name, on: { click } }, words);
  box.replaceChildren(
    field,
    el(
      "div",
      { class: "card-extra-end" },
      el("small", { class: "muted" }, "Select with Shift and arrows, Enter strikes it, Esc leaves."),
      el("span", { class: "picker-end" }, button("quiet", "Cancel", () => leave(null)), button("line", "Strike", strike)),
    ),
  );
  box.hidden = false;
  field.focus();
  field.setSelectionRange(0, 0);
}

/** A field makes one character of "\r\n": the same place in the text as it was given. */
function original(text, place) {
  let given = 0;
  for (let shown = 0; shown < place; shown += 1) given += text.startsWith("\r\n", given) ? 2 : 1;
  return given;
}
