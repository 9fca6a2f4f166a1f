// What stands between two neighbours of an order, and what Backspace remembers.
export const BETTER = 2;
export const MUCH = 3;
export const SLIGHTLY = 1;
const PAST = 50;

export function remember(state) {
  const { groups, strengths, pending } = state;
  return { ...state, past: [...state.past, { groups, strengths, pending }].slice(-PAST) };
}
