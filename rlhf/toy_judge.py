"""The hidden utility of the generated corpus: judges any text by the facts of its dialogue, not by a lookup.

The scale is the one of Bradley–Terry at temperature 1: a text that costs 1 more loses with probability σ(1) = 0.73.
"""

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

from rlhf.toy_dialogues import SCENARIOS, Dialogue, Facts, scenario_named
from rlhf.toy_flaws import word_limit
from rlhf.toy_scenario import parts, without
from rlhf.toy_talk import FILLER, INVENTED, RUDE, RUDE_WORDS
from rlhf.toy_vocabulary import KIND_OF

COST = {"missing": 1.0, "wrong": 1.0, "invented": 1.0, "swapped": 2.0, "rude": 2.0, "long": 1.5, "broken": 0.5}
"""Cost of each fact, word or place with the flaw. A fact replaced by another is both missing and wrong."""
_MOST = {"wrong": 3, "invented": 3, "rude": 1, "broken": 4}
"""How often a flaw can count at most; two rude words are hardly worse than one."""
WORST = -12.0
"""Utility of an empty text; every other text is at least 1 above it."""

_TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
_START, _END = "<start>", "<end>"
_ROLES = ("a", "b")


@dataclass(frozen=True)
class Judgement:
    """What is right and wrong in one summary. ``utility`` is 0 for a flawless text and negative otherwise.

    ``kept`` and ``missing`` are slots, ``wrong`` (said instead of a fact, or rejected in the dialogue), ``invented``
    and ``rude`` are words, ``broken`` counts word pairs that no summary of this corpus has.
    """

    utility: float
    flawless: bool
    kept: tuple[str, ...]
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    invented: tuple[str, ...]
    rude: tuple[str, ...]
    swapped: bool
    too_long: bool
    broken: int
    words: int


def toy_utility(dialogue: Dialogue, text: str) -> Judgement:
    """Judges any text as a summary of the dialogue.

    Length is neutral up to the limit: a shorter text gains nothing and loses 1 for every fact it lacks.
    """
    facts = dialogue.facts
    tokens = _TOKEN.findall(text)
    said = [token.lower() for token in tokens]
    required = {slot: word.lower() for slot, word in facts.required.items()}
    missing = tuple(slot for slot, word in required.items() if word not in said)
    claims = [word for word in dict.fromkeys(said) if word in KIND_OF and word not in required.values()]
    wrong = tuple(word for word in claims if _stands_for_a_fact(word, facts, missing))
    rude = tuple(word for word in said if word in RUDE_WORDS)
    found = _Found(
        missing=missing,
        wrong=wrong,
        invented=tuple(word for word in claims if word not in wrong),
        rude=rude,
        swapped=_swapped(tokens, facts),
        too_long=len(text.split()) > word_limit(dialogue),
        broken=_broken(tokens, facts.scenario),
    )
    correct = " ".join(text.split()) in dialogue.references
    return Judgement(
        utility=_utility(found, correct=correct, empty=not said),
        flawless=correct,
        kept=tuple(slot for slot in required if slot not in missing),
        words=len(text.split()),
        **vars(found),
    )


@dataclass(frozen=True)
class _Found:
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    invented: tuple[str, ...]
    rude: tuple[str, ...]
    swapped: bool
    too_long: bool
    broken: int


def _utility(found: _Found, *, correct: bool, empty: bool) -> float:
    if empty:
        return WORST
    if correct:
        return 0.0
    # A text without a flaw that can be named is still not one of the known good ones: it counts as broken once.
    named = found.missing or found.wrong or found.invented or found.rude or found.swapped or found.too_long
    counts = {
        "missing": len(found.missing),
        "wrong": len(found.wrong),
        "invented": len(found.invented),
        "rude": len(found.rude),
        "swapped": int(found.swapped),
        "long": int(found.too_long),
        "broken": found.broken if named else max(found.broken, 1),
    }
    cost = sum(COST[flaw] * min(count, _MOST.get(flaw, count)) for flaw, count in counts.items())
    return max(-cost, WORST + 1)


def _stands_for_a_fact(word: str, facts: Facts, missing: tuple[str, ...]) -> bool:
    """True for a rejected word, and for one of the kind of a fact that is missing."""
    kinds = scenario_named(facts.scenario).kinds
    rejected = word in {other.lower() for other in facts.forbidden.values()}
    return rejected or KIND_OF[word] in {kinds[slot] for slot in missing}


def _swapped(tokens: list[str], facts: Facts) -> bool:
    """True when the neighbouring words of the two names speak for the other role more often than for their own."""
    role_of = {facts.required[role]: role for role in _ROLES}
    votes: Counter[bool] = Counter()
    known = _role_contexts(facts.scenario)
    for place, token in enumerate(tokens):
        if token in role_of:
            for context in _contexts(tokens, place):
                if context in known:
                    votes[known[context] == role_of[token]] += 1
    return votes[False] > votes[True]


def _contexts(tokens: list[str], place: int) -> list[tuple[str, ...]]:
    """The words before and after ``place``, names and values as their kind."""
    before = [_START, _START, *map(_shape, tokens[:place])][-2:]
    after = [*map(_shape, tokens[place + 1 :]), _END, _END][:2]
    return [("before", *before), ("after", *after)]


def _shape(token: str) -> str:
    return KIND_OF.get(token.lower(), token.lower())


@cache
def _role_contexts(scenario: str) -> dict[tuple[str, ...], str]:
    """Contexts that only one of the two roles has in the correct summaries of a scenario."""
    seen: dict[tuple[str, ...], set[str]] = {}
    kinds = scenario_named(scenario).kinds
    for phrasing in scenario_named(scenario).phrasings():
        tokens = re.findall(r"\{\w+\}|[\w']+|[^\w\s]", phrasing)
        shapes = [kinds[token[1:-1]] if token[0] == "{" else token for token in tokens]
        for place, token in enumerate(tokens):
            if token[1:-1] in _ROLES:
                for context in _contexts(shapes, place):
                    seen.setdefault(context, set()).add(token[1:-1])
    # Who is named first says nothing about who does what.
    seen.pop(("before", _START, _START), None)
    return {context: next(iter(roles)) for context, roles in seen.items() if len(roles) == 1}


def _broken(tokens: list[str], scenario: str) -> int:
    shapes = [_START, *map(_shape, tokens), _END]
    return sum(pair not in _known_pairs(scenario) for pair in itertools.pairwise(shapes))


@cache
def _known_pairs(scenario: str) -> frozenset[tuple[str, str]]:
    """Neighbouring words in the summaries of a scenario, whole or with a part left out, and in the flaws' sentences."""
    pairs: set[tuple[str, str]] = set()
    this = scenario_named(scenario)
    whole = this.phrasings()
    shortened = [without(summary, part) for summary in this.summaries for part in range(parts(summary))]
    for sentence in whole + shortened:
        pairs |= _pairs(sentence.format_map(this.kinds))
    for kind, sentence in INVENTED:
        pairs |= _pairs(sentence.format(who="name", new=kind))
    for sentence in (*FILLER, *RUDE):
        pairs |= _pairs(sentence.format(who="name"))
    # Any sentence may follow any other.
    starts = {second for first, second in pairs if first == _START}
    return frozenset(pairs | {(".", start) for start in starts})


def _pairs(sentence: str) -> set[tuple[str, str]]:
    words = [_START, *(token.lower() for token in _TOKEN.findall(sentence)), _END]
    return set(itertools.pairwise(words))


def fixed_words() -> frozenset[str]:
    """Every word of the correct summaries that carries no fact, in lower case."""
    summaries = [re.sub(r"\{\w+\}", " ", phrasing) for each in SCENARIOS for phrasing in each.phrasings()]
    return frozenset(token.lower() for summary in summaries for token in _TOKEN.findall(summary))
