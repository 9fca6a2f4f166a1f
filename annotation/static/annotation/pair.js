// Two completions: one is better, by so much, or they are equal. A choice is a whole ranking at once.
import { BETTER, remember } from "./signs.js";

/** {id, mark}: the better one and the strength; of equals {id: null, mark: "="}; null before a choice. */
export function choiceOf({ groups, strengths }) {
  if (groups.length === 0) return null;
  return groups.length === 1 ? { id: null, mark: "=" } : { id: groups[0][0], mark: strengths[0] };
}

/** Say which one is better; its strength is `mark`, else what was said before. */
export function choose(state, id, mark = null) {
  if (!state.ids.includes(id)) return state;
  const now = choiceOf(state);
  const strength = mark ?? state.pending ?? (now?.id === id ? now.mark : BETTER);
  if (now?.id === id && now.mark === strength) return state;
  const other = state.ids.find((one) => one !== id);
  return { ...remember(state), groups: [[id], [other]], strengths: [strength], pending: null };
}

/** "=" makes them equal; a strength is that of the choice, or of the next one. The same again takes it back. */
export function relate(state, sign) {
  const now = choiceOf(state);
  if (sign === "=") return now?.mark === "=" ? clear(state) : equal(state);
  if (now?.id) return choose(state, now.id, now.mark === sign ? BETTER : sign);
  return { ...remember(state), pending: state.pending === sign ? null : sign };
}

export function equal(state) {
  return { ...remember(state), groups: [[...state.ids]], strengths: [], pending: null };
}

export function clear(state) {
  return state.groups.length === 0 ? state : { ...remember(state), groups: [], strengths: [], pending: null };
}
