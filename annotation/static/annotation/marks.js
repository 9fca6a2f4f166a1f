// Names and numbers that a completion adds to its source or leaves out: where invented and missing facts show first.

const WORD = /\d+(?:[.:,]\d+)*|\p{Lu}[\p{L}'’-]*/gu;
const ANY = /\d+(?:[.:,]\d+)*|[\p{L}'’-]+/gu;
// Words that open a sentence in capitals and name nothing.
const OPENERS = new Set(
  "a after all also an and as at because before both but by during each even every everyone first for from he her here his how however i if in instead it its later neither next no not now of on one or our she since so some someone that the their then there these they this those though to today tomorrow tonight until we what when where which while who why with yes yesterday you your".split(" "),
);
const SENTENCE_ENDS = /(?:^|[.!?…:;"“”«»()\n-])\s*$/u;

const plain = (word) => word.toLowerCase().replace(/['’]s?$/, "");
const wordsOf = (text) => new Set((text.match(ANY) ?? []).map(plain));
const ranged = (match) => ({ start: match.index, end: match.index + match[0].length, word: plain(match[0]) });

/** [{start, end}] of a completion's names and numbers that its source does not hold, in UTF-16 units. */
export function added(text, source) {
  const known = wordsOf(source);
  return [...text.matchAll(WORD)].map(ranged).filter(({ word }) => !known.has(word) && !OPENERS.has(word));
}

/** The names and numbers of a source's blocks (turns, or the one text), each at its first mention:
    [{block, start, end, word, name}]. A word that only opens sentences, or stands in small letters too, is no name. */
export function facts(blocks, speakers = []) {
  const names = new Set(speakers.flatMap((speaker) => (speaker.match(ANY) ?? []).map(plain)));
  const small = new Set(blocks.flatMap((text) => text.match(/(?<!\p{L})\p{Ll}[\p{L}'’-]*/gu) ?? []).map(plain));
  const found = blocks.flatMap((text, block) =>
    [...text.matchAll(WORD)].map((match) => ({
      ...ranged(match),
      block,
      name: match[0].replace(/['’]s?$/, ""),
      opens: SENTENCE_ENDS.test(text.slice(0, match.index)),
    })),
  );
  const inside = new Set(found.filter((fact) => !fact.opens).map((fact) => fact.word));
  const first = new Map();
  for (const fact of found) {
    if (/^i['’]/.test(fact.word)) continue;
    const isName = /\d/.test(fact.word) || names.has(fact.word) || (inside.has(fact.word) && !OPENERS.has(fact.word) && !small.has(fact.word));
    if (isName && !first.has(fact.word)) first.set(fact.word, fact);
  }
  return [...first.values()];
}

/** Those of the source's facts that a completion does not mention. */
export function lacking(text, known) {
  const words = wordsOf(text);
  return known.filter((fact) => !words.has(fact.word));
}
