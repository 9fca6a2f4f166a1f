// A text of a person or a model as it is: parts of it marked, and what is invisible in it shown.
import { el } from "./dom.js";

// Controls, direction marks and overrides, characters of no width. A joiner between emoji or Arabic letters is writing.
const UNSEEN =
  /(?<!\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d|(?<!\p{Script=Arabic})\u200c|[\0-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0001}-\u{e007f}]/gu;
const NAMES = {
  0xad: "SHY", 0x61c: "ALM", 0x200b: "ZWSP", 0x200c: "ZWNJ", 0x200d: "ZWJ", 0x200e: "LRM", 0x200f: "RLM", 0x2028: "LS", 0x2029: "PS",
  0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI",
  0x2068: "FSI", 0x2069: "PDI", 0xfeff: "BOM",
};

function nameOf(character) {
  const code = character.codePointAt(0);
  return NAMES[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The same text for a plain field, with a dot for everything invisible, so that nothing in it turns round. */
export const placeholders = (text) => text.replace(UNSEEN, (match) => "·".repeat(match.length));

/** Fill an element. `layers` are [{ranges: [{start, end, …}], wrap(range, ...children)}] in UTF-16 units, inner first.
    The element's text stays exactly `text`: what is selected in it can be counted. */
export function renderProse(container, text, layers = []) {
  const unseen = [...text.matchAll(UNSEEN)].map((match) => ({ start: match.index, end: match.index + match[0].length }));
  const invisible = { ranges: unseen, wrap: (range, ...children) => el("span", { class: "unseen", data: { name: nameOf(text.slice(range.start)) } }, ...children) };
  container.replaceChildren(...nested(text, 0, text.length, [invisible, ...layers]));
}

/** The nodes of text[from, to): the outermost layer's ranges, and inside and between them the layers below. */
function nested(text, from, to, layers) {
  if (from >= to) return [];
  const layer = layers.at(-1);
  if (!layer) return [document.createTextNode(text.slice(from, to))];
  const below = layers.slice(0, -1);
  const nodes = [];
  let end = from;
  for (const range of layer.ranges) {
    const start = Math.max(range.start, end);
    const stop = Math.min(range.end, to);
    if (start >= stop) continue;
    nodes.push(...nested(text, end, start, below), layer.wrap(range, ...nested(text, start, stop, below)));
    end = stop;
  }
  return [...nodes, ...nested(text, end, to, below)];
}
