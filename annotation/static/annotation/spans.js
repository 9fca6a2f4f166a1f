// Struck parts of completions: {completion, start, end, label}, in code points as the server counts them.
const LABEL = "unsupported";

/** Code points before a place of a text, and back: JavaScript counts UTF-16 units. */
export const pointsBefore = (text, unit) => [...text.slice(0, unit)].length;

export function unitsBefore(text, point) {
  let units = 0;
  let points = 0;
  for (const character of text) {
    if (points === point) break;
    units += character.length;
    points += 1;
  }
  return units;
}

/** [start, end) in UTF-16 units, widened to whole characters as people see them, without white space at its ends. */
export function wholeCharacters(text, start, end) {
  while (start < end && /\s/.test(text[start])) start += 1;
  while (end > start && /\s/.test(text[end - 1])) end -= 1;
  if (start >= end) return null;
  const seen = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text);
  const first = seen.containing(start);
  const last = seen.containing(end - 1);
  return { start: first.index, end: last.index + last.segment.length };
}

/** Strike a part of a completion. What touches or overlaps becomes one; a part that is struck already is freed. */
export function strike(state, completion, text, unitStart, unitEnd) {
  const found = wholeCharacters(text, unitStart, unitEnd);
  if (found === null) return state;
  let start = pointsBefore(text, found.start);
  let end = pointsBefore(text, found.end);
  const own = state.spans.filter((span) => span.completion === completion);
  const around = own.find((span) => span.start <= start && end <= span.end);
  if (around) return unstrike(state, around);
  const touching = own.filter((span) => span.start <= end && start <= span.end);
  start = Math.min(start, ...touching.map((span) => span.start));
  end = Math.max(end, ...touching.map((span) => span.end));
  const rest = state.spans.filter((span) => !touching.includes(span));
  return { ...state, spans: [...rest, { completion, start, end, label: LABEL }] };
}

export const unstrike = (state, span) => ({ ...state, spans: state.spans.filter((other) => other !== span) });

/** A completion's struck parts in UTF-16 units, first to last: [{start, end, span}]. */
export function struckIn(state, completion, text) {
  const own = state.spans.filter((span) => span.completion === completion);
  const found = own.map((span) => ({ start: unitsBefore(text, span.start), end: unitsBefore(text, span.end), span }));
  return found.sort((one, other) => one.start - other.start);
}

/** What is selected inside one element, in UTF-16 units of its text: {element, start, end}; null where nothing is. */
export function selectedIn(selector) {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  const element = elementOf(range.startContainer)?.closest(selector) ?? elementOf(range.endContainer)?.closest(selector);
  if (!element) return null;
  const whole = document.createRange();
  whole.selectNodeContents(element);
  // A triple click ends in the next card: what is outside does not count.
  const from = range.compareBoundaryPoints(Range.START_TO_START, whole) < 0 ? whole : range;
  const to = range.compareBoundaryPoints(Range.END_TO_END, whole) > 0 ? whole : range;
  const before = document.createRange();
  before.setStart(element, 0);
  before.setEnd(from.startContainer, from.startOffset);
  const start = before.toString().length;
  before.setEnd(to.endContainer, to.endOffset);
  const end = before.toString().length;
  return end > start ? { element, start, end } : null;
}

const elementOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement);
