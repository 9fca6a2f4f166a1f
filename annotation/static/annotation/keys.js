// Keys and what they mean. No state here: a key becomes an action's name and, for digits, a number.

const NAMED = {
  "=": ["relate", "="],
  ">": ["relate", 3],
  "-": ["relate", 1],
  "~": ["relate", 1],
  0: ["none"],
  x: ["mode", "flag"],
  e: ["mode", "rewrite"],
  u: ["strike"],
  s: ["skip"],
  r: ["ratings"],
  h: ["marks"],
  g: ["guidelines"],
  l: ["recent"],
  "/": ["find"],
  "?": ["keys"],
  Backspace: ["back"],
  Enter: ["submit"],
  Escape: ["escape"],
};
// Held down, these would do more than was meant.
const ONCE = new Set(["submit", "digit", "skip", "back", "reopen"]);

export const KEY_SHEET = [
  [["1", "…", "9"], "Place that completion, best first; the last one is implied"],
  [["Enter"], "Submit"],
  [["1", "2", "="], "Of two: the better one, or equal; A and B do, too"],
  [["1", "…", "9"], "Where only the best and the worst are asked for: the best, then the worst"],
  [["="], "The next one ties with the one before"],
  [[">"], "The next one is much worse than the one before (much better above)"],
  [["-"], "The next one is only slightly worse"],
  [["Backspace"], "Take the last move back"],
  [["0"], "None is acceptable, or both are bad (again: take it back)"],
  [["x", "1…9"], "Flag a completion, with a reason"],
  [["e", "1…9"], "Rewrite a completion"],
  [["u"], "Strike what is selected as unsupported (again: free it); without a selection, u and a digit select by keyboard"],
  [["s"], "Skip the task, with a reason"],
  [["Ctrl", "Z"], "Reopen your last submission; up to ten, one after another"],
  [["r"], "Rate on the project's criteria"],
  [["l"], "Your last ten submissions, to look at and to change"],
  [["h"], "Mark names and numbers that a completion adds to the source or leaves out"],
  [["/"], "Find in the source; Enter goes on, Esc comes back"],
  [["g"], "Guidelines"],
  [["?"], "This list"],
];

/** [action, argument] for a key press, or null when it is none of ours. */
export function actionOf(event, count) {
  if (event.defaultPrevented || event.isComposing || inText(event.target)) return null;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "z") {
    return event.repeat ? null : ["reopen"];
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return null;
  const digit = count === 2 && /^[ab]$/i.test(event.key) ? "ab".indexOf(event.key.toLowerCase()) + 1 : Number(event.key);
  const action = digit >= 1 && digit <= count ? ["digit", digit] : NAMED[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || (event.repeat && ONCE.has(action[0]))) return null;
  return action;
}

function inText(target) {
  return target.closest("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])") !== null;
}
