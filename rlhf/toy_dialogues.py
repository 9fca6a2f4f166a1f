"""The generated corpus: seeded two-person dialogues, each with its facts and every correct summary of it."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from rlhf.exceptions import DataError
from rlhf.toy_plans import PLANS
from rlhf.toy_scenario import Scenario, choose
from rlhf.toy_talk import ASIDES, GOODBYES, GREETINGS, SCENES
from rlhf.toy_troubles import TROUBLES
from rlhf.types import Example, Prompt

Split = Literal["train", "test"]
SCENARIOS: tuple[Scenario, ...] = PLANS + TROUBLES
TEST_SHARE = 0.2
_ASIDE_SHARE = 0.5


@dataclass(frozen=True)
class Facts:
    """What a summary must say and must not say.

    ``required`` and ``forbidden`` map slots to words: the first are people and things of the dialogue's outcome, the
    second were mentioned and rejected, or do not matter.
    """

    scenario: str
    required: Mapping[str, str]
    forbidden: Mapping[str, str]


@dataclass(frozen=True)
class Dialogue:
    """A generated dialogue; ``references`` are all its correct summaries, in an order of its own."""

    id: str
    text: str
    references: tuple[str, ...]
    facts: Facts

    def prompt(self) -> Prompt:
        """The dialogue as the rest of the library reads prompts."""
        return Prompt(self.id, self.text, self.references)


@cache
def scenario_named(name: str) -> Scenario:
    """The scenario of this name; an unknown name is a DataError."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise DataError(f"There is no scenario {name!r}; there are {', '.join(each.name for each in SCENARIOS)}.")


def dialogues(seed: int, count: int, split: Split) -> list[Dialogue]:
    """``count`` distinct dialogues of one side, the same for the same seed on any machine.

    The side is decided by a hash of the facts, whatever the seed, so no dialogue of one side, nor another wording of
    it, is ever on the other. A longer list starts with the shorter one of the same seed.
    """
    if split not in ("train", "test"):
        raise DataError(f"The split must be train or test, not {split!r}.")
    found: dict[str, Dialogue] = {}
    for dialogue in _endless(seed):
        if len(found) >= count:
            break
        if side_of(dialogue.facts) == split:
            found.setdefault(dialogue.id, dialogue)
    return list(found.values())


def side_of(facts: Facts) -> Split:
    """train or test, by a hash of the scenario and of every word that carries a fact."""
    words = [facts.scenario, *facts.required.values(), *(facts.forbidden[slot] for slot in sorted(facts.forbidden))]
    share = int(_digest(" ".join(words))[:8], 16) / 16**8
    return "test" if share < TEST_SHARE else "train"


def seeded(*parts: object) -> random.Random:
    """A random source for these parts; their text is hashed, so that no two lists of parts give related streams."""
    return random.Random(int(_digest(":".join(map(str, parts)))[:16], 16))  # noqa: S311 -- data, not secrets


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _endless(seed: int) -> Iterator[Dialogue]:
    rng = seeded("dialogues", seed)
    while True:
        yield _dialogue(choose(rng, SCENARIOS), rng)


def _dialogue(scenario: Scenario, rng: random.Random) -> Dialogue:
    values = scenario.fill(rng)
    lines = _lines(scenario, rng)
    text = "\n".join([choose(rng, SCENES), *(f"{{{speaker}}}: {line}" for speaker, line in lines)])
    required = {slot: values[slot] for slot in ("a", "b", *scenario.required)}
    forbidden = {slot: word for slot, word in values.items() if slot not in required and f"{{{slot}}}" in text}
    filled = text.format_map(values)
    return Dialogue(
        id=f"toy-{_digest(filled)[:16]}",
        text=filled,
        references=_references(scenario, required, rng),
        facts=Facts(scenario.name, required, forbidden),
    )


def _lines(scenario: Scenario, rng: random.Random) -> list[tuple[str, str]]:
    """(speaker, wording) with open slots: greeting, perhaps an aside, the matter itself, goodbye."""
    lines = list(zip("ab", choose(rng, GREETINGS), strict=True))
    if rng.random() < _ASIDE_SHARE:
        lines += zip("ab", choose(rng, ASIDES), strict=True)
    lines += [(turn[0], choose(rng, turn[1:])) for turn in scenario.turns]
    lines += zip("ba", choose(rng, GOODBYES), strict=True)
    return lines


def _references(scenario: Scenario, required: Mapping[str, str], rng: random.Random) -> tuple[str, ...]:
    """Every correct summary; the order differs from dialogue to dialogue, so that the first is of no special style."""
    wordings = scenario.wordings()
    start = int(rng.random() * len(wordings))
    ordered = wordings[start:] + wordings[:start]
    turned = [phrasing for phrasing in scenario.phrasings() if phrasing not in wordings]
    return tuple(phrasing.format_map(required) for phrasing in ordered + turned)


def examples_of(chosen: list[Dialogue]) -> list[Example]:
    """Each dialogue with one correct summary; for evaluation, so without flaws."""
    return [Example(dialogue.text, dialogue.references[0]) for dialogue in chosen]
