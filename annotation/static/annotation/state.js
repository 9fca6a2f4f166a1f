// The ranking as it stands: a pure state machine. Every function takes a state and returns a new one.
//
//   ids        completion ids in display order; digit d means ids[d - 1]
//   groups     [[id, …], …] best first; two or more ids in a group are a tie
//   strengths  one for each boundary between groups: 1 slightly better, 2 better, 3 much better
//   pending    "=" (tie), 1, 3 or null: how the next one stands to the one before it
//   kind       "order"; "pair" of two completions (pair.js); "extremes", best and worst alone (extremes.js)
//   none       none of them is acceptable
//   spans      [{completion, start, end, label}] struck as unsupported, in code points (spans.js)
//   flags      {id: reason}    ratings {criterion: {id: 1…5}}    rewrite {completion, text} or null
//   past       earlier {groups, strengths, pending}, for Backspace

import * as extremes from "./extremes.js";
import * as pair from "./pair.js";
import { BETTER, MUCH, SLIGHTLY, remember } from "./signs.js";

export { strike, unstrike } from "./spans.js";

/** `method` is the task's: "full" or "best_worst". */
export function start(ids, method = "full") {
  return {
    ids: [...ids],
    kind: ids.length === 2 ? "pair" : method === "best_worst" ? "extremes" : "order",
    groups: [],
    strengths: [],
    pending: null,
    none: false,
    flags: {},
    ratings: {},
    spans: [],
    rewrite: null,
    rationale: "",
    past: [],
  };
}

export const placed = (state) => state.groups.flat();
export const unplaced = (state) => state.ids.filter((id) => !placed(state).includes(id));
export const isPlaced = (state, id) => placed(state).includes(id);

/** Whether the annotator has said anything at all: nothing counts before. */
export function touched(state) {
  return (
    state.groups.length > 0 ||
    state.none ||
    state.rewrite !== null ||
    state.rationale !== "" ||
    state.spans.length > 0 ||
    Object.keys(state.flags).length > 0 ||
    Object.keys(state.ratings).length > 0
  );
}

/** The ranking with the last completion implied; null while it is not complete. */
export function complete(state) {
  if (state.kind === "extremes") return extremes.complete(state);
  const rest = unplaced(state);
  if (state.groups.length === 0 || rest.length > 1) return null;
  return rest.length === 0 ? order(state) : order(append(state, rest[0]));
}

/** Whether Enter would submit: a complete ranking, or none acceptable and nothing placed. */
export const submittable = (state) => complete(state) !== null || (state.none && state.groups.length === 0);

const order = ({ groups, strengths }) => ({ groups, strengths });

/** Put a completion after the last one, as `pending` says. */
function append(state, id) {
  const { groups, strengths, pending } = state;
  if (groups.length === 0) return { ...state, groups: [[id]], strengths: [], pending: null };
  if (pending === "=") {
    return { ...state, groups: [...groups.slice(0, -1), [...groups.at(-1), id]], pending: null };
  }
  return { ...state, groups: [...groups, [id]], strengths: [...strengths, pending ?? BETTER], pending: null };
}

/** Place a completion last. Unchanged when it is placed already. */
export function place(state, id) {
  if (state.kind === "pair") return pair.choose(state, id);
  if (!state.ids.includes(id) || isPlaced(state, id)) return state;
  return state.kind === "extremes" ? extremes.place(state, id) : append(remember(state), id);
}

/** Say how the next completion stands to the last placed one; the same sign again takes it back. */
export function relate(state, sign) {
  if (state.kind === "pair") return pair.relate(state, sign);
  if (state.kind === "extremes" || state.groups.length === 0 || unplaced(state).length === 0) return state;
  return { ...remember(state), pending: state.pending === sign ? null : sign };
}

/** Take a completion out of the order. */
export function remove(state, id) {
  if (!isPlaced(state, id)) return state;
  if (state.kind === "pair") return pair.clear(state);
  if (state.kind === "extremes") return extremes.remove(state, id);
  return without(remember(state), id);
}

function without(state, id) {
  const at = state.groups.findIndex((group) => group.includes(id));
  const group = state.groups[at].filter((other) => other !== id);
  const pending = state.groups.flat().length === 1 ? null : state.pending;
  if (group.length > 0) return { ...state, pending, groups: state.groups.with(at, group) };
  // The boundary above goes with it; of the first group, the one below.
  const strengths = state.strengths.toSpliced(Math.max(at - 1, 0), 1);
  return { ...state, pending, groups: state.groups.toSpliced(at, 1), strengths };
}

/** Move (or place) a completion to a position among the placed ones; inside a tie it joins the tie. */
export function moveTo(state, id, position) {
  if (!state.ids.includes(id)) return state;
  if (state.kind === "extremes") return extremes.moveTo(state, id, position);
  const before = remember(state);
  const rest = isPlaced(state, id) ? without(before, id) : before;
  const flat = rest.groups.flat();
  const index = Math.max(0, Math.min(position, flat.length));
  const above = rest.groups.findIndex((group) => group.includes(flat[index - 1]));
  const below = rest.groups.findIndex((group) => group.includes(flat[index]));
  if (above >= 0 && above === below) {
    return { ...rest, groups: rest.groups.with(above, [...rest.groups[above], id]) };
  }
  const at = above + 1; // the new group's index
  const strengths = rest.groups.length === 0 ? [] : rest.strengths.toSpliced(Math.min(at, rest.strengths.length), 0, BETTER);
  return { ...rest, groups: rest.groups.toSpliced(at, 0, [id]), strengths };
}

/** Move a placed completion by one step up (-1) or down (1); out of a tie first. */
export function shift(state, id, step) {
  const at = state.groups.findIndex((group) => group.includes(id));
  if (at < 0) return state;
  if (state.kind === "extremes") return extremes.moveTo(state, id, step < 0 ? 0 : 1);
  const flat = placed(state);
  if (state.groups[at].length > 1) {
    const rest = without(remember(state), id);
    const index = step < 0 ? at : at + 1;
    const strengths = rest.strengths.toSpliced(at, 0, BETTER);
    return { ...rest, groups: rest.groups.toSpliced(index, 0, [id]), strengths };
  }
  const target = state.groups[at + step];
  if (!target) return state;
  const edge = step < 0 ? flat.indexOf(target[0]) : flat.indexOf(target.at(-1));
  return moveTo(state, id, edge);
}

const CYCLE = [BETTER, MUCH, "=", SLIGHTLY];

/** Change what stands between two neighbours: better, much better, tie, slightly better, and round again.
    `boundary` counts the gaps between placed completions from 0; the gap before an implied one is the last. */
export function cycle(state, boundary) {
  const flat = placed(state);
  if (boundary === flat.length - 1) {
    const next = CYCLE[(CYCLE.indexOf(state.pending ?? BETTER) + 1) % CYCLE.length];
    return unplaced(state).length > 0 ? { ...remember(state), pending: next === BETTER ? null : next } : state;
  }
  if (boundary < 0 || boundary >= flat.length) return state;
  const marks = marksOf(state);
  marks[boundary] = CYCLE[(CYCLE.indexOf(marks[boundary]) + 1) % CYCLE.length];
  return { ...remember(state), ...fromMarks(flat, marks) };
}

/** What stands between each two neighbours of the flat order: "=", 1, 2 or 3. */
export function marksOf({ groups, strengths }) {
  return groups.flatMap((group, at) => [
    ...(at > 0 ? [strengths[at - 1]] : []),
    ...Array(group.length - 1).fill("="),
  ]);
}

function fromMarks(flat, marks) {
  const groups = [[flat[0]]];
  const strengths = [];
  marks.forEach((mark, index) => {
    if (mark === "=") groups.at(-1).push(flat[index + 1]);
    else {
      groups.push([flat[index + 1]]);
      strengths.push(mark);
    }
  });
  return { groups, strengths };
}

/** Take the last move back. */
export function back(state) {
  // A draft comes without its past: then the last one placed is taken out.
  const last = placed(state).at(-1);
  if (state.past.length === 0) return last === undefined ? state : { ...remove(state, last), past: [] };
  return { ...state, ...state.past.at(-1), past: state.past.slice(0, -1) };
}

export const toggleNone = (state) => ({ ...state, none: !state.none });

/** Set a flag's reason; an empty one takes it off. */
export function flag(state, id, reason) {
  const { [id]: _, ...flags } = state.flags;
  return { ...state, flags: reason ? { ...flags, [id]: reason } : flags };
}

/** Keep a better text for a completion; an empty or unchanged one takes it off. */
export function rewrite(state, id, text, original) {
  const useful = text.trim() !== "" && text !== original;
  return { ...state, rewrite: useful ? { completion: id, text } : null };
}

/** Rate a completion on a criterion from 1 to 5; null takes it off. */
export function rate(state, criterion, id, value) {
  const { [id]: _, ...rest } = state.ratings[criterion] ?? {};
  const row = value === null ? rest : { ...rest, [id]: value };
  const { [criterion]: __, ...others } = state.ratings;
  return { ...state, ratings: Object.keys(row).length ? { ...others, [criterion]: row } : others };
}

/** The body of a submission; null while it is not complete. Strengths only where one was given. */
export function answer(state) {
  if (!submittable(state)) return null;
  const { groups, strengths } = complete(state) ?? { groups: [], strengths: [] };
  return {
    groups,
    strengths: strengths.some((strength) => strength !== BETTER) ? strengths : null,
    none_acceptable: state.none,
    flags: state.flags,
    ratings: state.ratings,
    spans: state.spans,
    rationale: state.rationale,
    rewrite: state.rewrite,
    method: state.kind === "extremes" ? "best_worst" : "full",
  };
}

/** What is kept as a draft: everything but what the task gives. */
export function toDraft({ ids: _, kind: __, past: ___, ...rest }) {
  return rest;
}

/** A state from a task's ids and a draft or an answer; what does not fit the ids is dropped. */
export function fromDraft(ids, draft, method) {
  const fresh = start(ids, method);
  if (!draft || typeof draft !== "object") return fresh;
  const { strengths, pending = null, ratings, flags, spans, rationale, rewrite: text } = draft;
  const groups = fresh.kind === "extremes" ? extremes.groupsOf(draft.groups ?? []) : (draft.groups ?? []);
  const flat = groups?.flat() ?? [];
  if (groups === null || new Set(flat).size !== flat.length || flat.some((id) => !ids.includes(id))) return fresh;
  if (fresh.kind === "pair" && flat.length === 1) return fresh;
  return {
    ...fresh,
    groups,
    strengths: strengths?.length === Math.max(groups.length - 1, 0) ? strengths : Array(Math.max(groups.length - 1, 0)).fill(BETTER),
    pending,
    none: Boolean(draft.none ?? draft.none_acceptable),
    flags: flags ?? {},
    ratings: ratings ?? {},
    spans: (spans ?? []).filter((span) => ids.includes(span.completion)),
    rationale: rationale ?? "",
    rewrite: text && ids.includes(text.completion) ? text : null,
  };
}
