// The order as people read it and as a screen reader says it.
import { complete, marksOf, placed } from "./state.js";

export const LETTERS = "ABCDEFGHI";
export const SIGNS = { "=": "=", 1: "≳", 2: ">", 3: "≫" };
export const SPOKEN = { "=": "tied with", 1: "slightly better than", 2: "better than", 3: "much better than" };
const PLACES = ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th"];

export const letter = (state, id) => LETTERS[state.ids.indexOf(id)];

/** `C > A = D > B`; the implied last one is included. */
export function orderText(state) {
  return join(state, SIGNS);
}

/** "C better than A tied with D better than B". */
export function orderSpoken(state) {
  return join(state, SPOKEN);
}

function join(state, signs) {
  const { groups, strengths } = complete(state) ?? state;
  const marks = marksOf({ groups, strengths });
  const text = groups.flat().map((id, index) => (index ? `${signs[marks[index - 1]]} ` : "") + letter(state, id));
  return text.join(" ");
}

/** "1st", or "2nd =" for a tied one; null while it is not placed. */
export function placeOf(state, id) {
  const groups = (complete(state) ?? state).groups;
  const at = groups.findIndex((group) => group.includes(id));
  if (at < 0) return null;
  const above = groups.slice(0, at).flat().length;
  return PLACES[above] + (groups[at].length > 1 ? " =" : "");
}

/** What a move did, in one sentence. */
export function announce(before, after) {
  const added = placed(after).filter((id) => !placed(before).includes(id));
  const taken = placed(before).filter((id) => !placed(after).includes(id));
  const parts = [];
  for (const id of added) parts.push(`${letter(after, id)} placed ${spokenPlace(after, id)}.`);
  for (const id of taken) parts.push(`${letter(before, id)} taken back.`);
  if (before.none !== after.none) parts.push(after.none ? "None acceptable." : "Acceptable again.");
  if (before.pending !== after.pending && after.pending !== null) parts.push(`Next: ${signWords(after.pending)}.`);
  const text = orderSpoken(after);
  if (text && text !== orderSpoken(before) && parts.length === 0) parts.push(`Order: ${text}.`);
  if (complete(after) && !complete(before)) parts.push(`Complete: ${text}. Enter submits.`);
  return parts.join(" ");
}

const spokenPlace = (state, id) => placeOf(state, id).replace(" =", ", tied");
const signWords = (sign) => ({ "=": "tied with the one before", 1: "slightly worse", 3: "much worse" })[sign];
