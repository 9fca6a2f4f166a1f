// The order as people read it and as a screen reader says it.
import { best, worst } from "./extremes.js";
import { complete, marksOf, placed, unplaced } from "./state.js";

export const LETTERS = "ABCDEFGHI";
export const SIGNS = { "=": "=", 1: "≳", 2: ">", 3: "≫" };
export const SPOKEN = { "=": "tied with", 1: "slightly better than", 2: "better than", 3: "much better than" };
const PLACES = ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th"];

export const letter = (state, id) => LETTERS[state.ids.indexOf(id)];

/** `C > A = D > B`; the implied last one is included. */
export function orderText(state) {
  if (state.kind !== "extremes") return join(state, SIGNS);
  const said = [best(state), worst(state)].map((id) => (id === undefined ? "?" : letter(state, id)));
  return placed(state).length > 0 ? said.join(" > … > ") : "";
}

/** "C better than A tied with D better than B"; "C is best, B is worst". */
export function orderSpoken(state) {
  if (state.kind !== "extremes") return join(state, SPOKEN);
  const said = [[best(state), "best"], [worst(state), "worst"]].filter(([id]) => id !== undefined);
  return said.map(([id, place]) => `${letter(state, id)} is ${place}`).join(", ");
}

/** What is still to be said before it can be submitted. */
export function missing(state) {
  const letters = unplaced(state).map((id) => letter(state, id));
  if (state.kind === "pair") return "Choose the better one: 1 or 2, or = when they are equal.";
  if (state.kind === "extremes" && placed(state).length > 0) return `Which one is the ${best(state) === undefined ? "best" : "worst"}?`;
  if (placed(state).length > 0) return `Not placed yet: ${letters.join(", ")}.`;
  return "Place the best one first: press its digit, or click it.";
}

function join(state, signs) {
  const { groups, strengths } = complete(state) ?? state;
  const marks = marksOf({ groups, strengths });
  const text = groups.flat().map((id, index) => (index ? `${signs[marks[index - 1]]} ` : "") + letter(state, id));
  return text.join(" ");
}

/** "1st", or "2nd =" for a tied one; null while it is not placed. */
export function placeOf(state, id) {
  if (state.kind !== "order") return inWords(state, id);
  const groups = (complete(state) ?? state).groups;
  const at = groups.findIndex((group) => group.includes(id));
  if (at < 0) return null;
  const above = groups.slice(0, at).flat().length;
  return PLACES[above] + (groups[at].length > 1 ? " =" : "");
}

function inWords(state, id) {
  if (state.kind === "extremes") {
    if (best(state) === id) return "best";
    return worst(state) === id ? "worst" : null;
  }
  if (state.groups.length === 1) return "equal";
  return state.groups[0]?.[0] === id ? SPOKEN[state.strengths[0]].replace(" than", "") : null;
}

/** What a move did, in one sentence. */
export function announce(before, after) {
  if (after.kind !== "order") return announceChoice(before, after);
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

function announceChoice(before, after) {
  const parts = [];
  if (before.none !== after.none) parts.push(after.none ? "None acceptable." : "Acceptable again.");
  if (before.pending !== after.pending && after.pending !== null) parts.push(`Next: ${SPOKEN[after.pending].replace(" than", "")}.`);
  const text = orderSpoken(after);
  if (text !== orderSpoken(before)) parts.push(text ? `${text}.` : "Choice taken back.");
  if (complete(after) && !complete(before)) parts.push("Enter submits.");
  return parts.join(" ");
}

const spokenPlace = (state, id) => placeOf(state, id).replace(" =", ", tied");
const signWords = (sign) => ({ "=": "tied with the one before", 1: "slightly worse", 3: "much worse" })[sign];
