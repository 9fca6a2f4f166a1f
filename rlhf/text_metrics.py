"""What can be said of a text without a model: variety, copying, and whether its names and numbers were there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

COPY_N = 3
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_NAME = re.compile(r"#\w+#|[A-Z][\w]*(?:[-'\u2019][A-Z]\w*)*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n]\s*[\"'\u201c\u2018(]*|[\"\u201c(])\s*$")
# Capitalised at a sentence's start without being a name; "one" is left out of the numbers as a pronoun.
_PLAIN = frozenset(
    _WORD.findall(
        """a about after all also although an and another any as at because before both but by can could day did do
        does during each either even every everyone finally first for from he her here him his how however i i'm i'll
        if in instead is it it's its later let many maybe me most my neither next no nobody not now of oh ok okay on
        once one only or other our people please she since so some somebody someone soon sorry still thanks that the
        their them then there they this those to today together tomorrow tonight two until we what when where while
        who why will with without yes yet you your"""
    )
)
_TWO_TO_TWENTY = _WORD.findall(
    """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty"""
)
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_TWO_TO_TWENTY, start=2)}


@dataclass(frozen=True)
class Found:
    """``found`` of ``total`` things of a text stand in its source."""

    found: int
    total: int


def words(text: str) -> list[str]:
    """Words in lower case; an apostrophe inside a word belongs to it."""
    return _WORD.findall(text.lower())


def distinct(texts: Sequence[str], n: int) -> Found:
    """Different n-grams of all n-grams of ``texts`` together (Li et al. 2016, distinct-n)."""
    grams = [gram for text in texts for gram in _grams(words(text), n)]
    return Found(len(set(grams)), len(grams))


def copied(text: str, source: str) -> Found:
    """Word 3-grams of ``text`` that stand in ``source``: 1 minus the novel 3-grams of See et al. 2017."""
    there = set(_grams(words(source), COPY_N))
    grams = _grams(words(text), COPY_N)
    return Found(sum(gram in there for gram in grams), len(grams))


def names_found(text: str, source: str) -> Found:
    """Different names of ``text`` that stand in ``source`` as a word, whatever the case."""
    there = set(words(source)) | {tag.lower() for tag in re.findall(r"#\w+#", source)}
    mine = names(text)
    return Found(sum(set(words(name)) <= there or name.lower() in there for name in mine), len(mine))


def numbers_found(text: str, source: str) -> Found:
    """Different numbers of ``text``, in digits or in words from two to twenty, that stand in ``source``."""
    there, mine = numbers(source), numbers(text)
    return Found(len(mine & there), len(mine))


def names(text: str) -> set[str]:
    """Capitalised words and #tags#, without common words that open a sentence; a rule, not a model."""
    found = set()
    for match in _NAME.finditer(text):
        name = re.sub("['\u2019]s$", "", match.group())
        opens = _SENTENCE_START.search(text[: match.start()]) is not None
        if name == "I" or (opens and name.lower() in _PLAIN):
            continue
        found.add(name)
    return found


def numbers(text: str) -> set[str]:
    """Numbers as digits."""
    return set(_NUMBER.findall(text)) | {_NUMBER_WORDS[word] for word in words(text) if word in _NUMBER_WORDS}


def _grams(tokens: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
