// Names and numbers of a completion that its source does not hold: where invented facts show first.
import { el } from "./dom.js";

const WORD = /\d+(?:[.:,]\d+)*|\p{Lu}[\p{L}'’-]*/gu;
// Words that open a sentence in capitals and name nothing.
const OPENERS = new Set(
  "a after all also an and as at because before both but by during each even every everyone first for from he her here his how however i if in instead it its later neither next no not now of on one or our she since so some someone that the their then there these they this those though to today tomorrow tonight until we what when where which while who why with yes yesterday you your".split(" "),
);

const plain = (word) => word.toLowerCase().replace(/['’]s?$/, "");

/** [{text, strange}]: the text in pieces; `strange` pieces are not in the source. */
export function pieces(text, source) {
  const known = new Set(source.toLowerCase().match(/\d+(?:[.:,]\d+)*|[\p{L}'’-]+/gu)?.map(plain) ?? []);
  const found = [];
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    const word = plain(match[0]);
    if (known.has(word) || OPENERS.has(word)) continue;
    found.push({ text: text.slice(end, match.index), strange: false }, { text: match[0], strange: true });
    end = match.index + match[0].length;
  }
  found.push({ text: text.slice(end), strange: false });
  return found.filter((piece) => piece.text !== "");
}

export function renderText(container, text, source, { marked }) {
  if (text === "") {
    container.replaceChildren(el("em", { class: "muted" }, "This text is empty."));
    return;
  }
  if (!marked) {
    container.textContent = text;
    return;
  }
  const nodes = pieces(text, source).map((piece) =>
    piece.strange ? el("mark", { title: "Not in the source" }, piece.text) : document.createTextNode(piece.text),
  );
  container.replaceChildren(...nodes);
}
