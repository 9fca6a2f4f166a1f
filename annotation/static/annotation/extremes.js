// Best and worst alone: groups are [[best], [worst]], either empty while it is not said. The others are not compared.
import { BETTER, remember } from "./signs.js";

export const best = ({ groups }) => groups[0]?.[0];
export const worst = ({ groups }) => groups[1]?.[0];

function set(state, first, last) {
  const groups = last === undefined ? [[first]] : [first === undefined ? [] : [first], [last]];
  const empty = first === undefined && last === undefined;
  return { ...remember(state), groups: empty ? [] : groups, strengths: groups.length === 2 ? [BETTER] : [] };
}

/** The best first, then the worst; unchanged when both are said. */
export function place(state, id) {
  if (best(state) === undefined) return set(state, id, worst(state));
  return worst(state) === undefined ? set(state, best(state), id) : state;
}

/** Make a completion the best (position 0) or the worst; what was the other one changes places with it. */
export function moveTo(state, id, position) {
  const [first, last] = [best(state), worst(state)];
  if (position <= 0) return first === id ? state : set(state, id, last === id ? first : last);
  return last === id ? state : set(state, first === id ? last : first, id);
}

export function remove(state, id) {
  if (best(state) === id) return set(state, undefined, worst(state));
  return worst(state) === id ? set(state, best(state), undefined) : state;
}

/** [[best], all others, [worst]]; null while one of the two is missing. */
export function complete(state) {
  const [first, last] = [best(state), worst(state)];
  if (first === undefined || last === undefined) return null;
  const middle = state.ids.filter((id) => id !== first && id !== last);
  return { groups: [[first], middle, [last]], strengths: [BETTER, BETTER] };
}

/** The groups of a draft or of a stored answer, as they are kept here; null where they are none of such. */
export function groupsOf(stored) {
  const groups = stored.length === 3 ? [stored[0], stored[2]] : stored;
  return groups.length <= 2 && groups.every((group) => group.length <= 1) ? groups : null;
}
