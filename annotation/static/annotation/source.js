// The source: lines `Name: text` become numbered turns; anything else stays as it is.
import { el } from "./dom.js";

const TURN = /^\s*([^\s:][^:\n]{0,39}):\s+(\S.*)$/;
const TINTS = 6;

/** [{speaker, text}], or null where the text is no dialogue. A line without a name goes on with the turn before. */
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
    else return null;
  }
  return named >= 2 && 2 * named >= lines.length ? turns : null;
}

export function renderSource(container, text) {
  if (!text || !text.trim()) {
    container.replaceChildren(el("p", { class: "muted" }, "This task has no source: judge the texts by themselves."));
    return;
  }
  const turns = turnsOf(text);
  if (turns === null) {
    container.replaceChildren(el("p", { class: "source-text" }, text));
    return;
  }
  const speakers = [...new Set(turns.map((turn) => turn.speaker))];
  const rows = turns.map((turn) =>
    el(
      "li",
      { class: `turn turn-${speakers.indexOf(turn.speaker) % TINTS}` },
      el("b", { class: "turn-name" }, turn.speaker),
      el("span", { class: "turn-text" }, turn.text),
    ),
  );
  container.replaceChildren(el("ol", { class: "turns" }, ...rows));
}
