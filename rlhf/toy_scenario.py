"""What a scenario of the generated corpus is: its facts, what is said, and how it may be summarised."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rlhf.toy_vocabulary import KINDS

T = TypeVar("T")

_DROPPABLE = re.compile(r"\[[^\]]*\]")
_PAIR = re.compile(r"\{(\w+)\} and \{(\w+)\}")


class Draw(Protocol):
    """The only call made of a random source. ``random.Random.random`` is promised to be the same on any machine."""

    def random(self) -> float:
        """A float in [0, 1)."""


def choose(rng: Draw, values: Sequence[T]) -> T:
    """One of ``values``, each as likely; not ``rng.choice``, whose algorithm may change between Python versions."""
    return values[int(rng.random() * len(values))]


@dataclass(frozen=True)
class Scenario:
    """One kind of conversation between the people {a} (who starts) and {b}.

    ``required`` and ``distractors`` map slots to kinds of words (see ``toy_vocabulary``): a required slot must be in a
    summary, a distractor is mentioned and rejected. A turn is its speaker and at least two wordings. In a summary the
    parts in brackets may be left out and leave a good sentence, which then lacks a fact.
    """

    name: str
    required: Mapping[str, str]
    distractors: Mapping[str, str]
    turns: tuple[tuple[str, ...], ...]
    summaries: tuple[str, ...]

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of every slot; ``someone`` is a person met in the small talk."""
        people = {"a": "name", "b": "name", "someone": "name"}
        return {**people, **self.required, **self.distractors}

    def fill(self, rng: Draw) -> dict[str, str]:
        """A value for every slot; slots of one kind get different values."""
        values: dict[str, str] = {}
        for slot, kind in self.kinds.items():
            values[slot] = choose(rng, [word for word in KINDS[kind] if word not in values.values()])
        return values

    def phrasings(self) -> list[str]:
        """Every correct summary with its slots open; "{a} and {b}" is also correct the other way round."""
        return [way for summary in self.wordings() for way in self._ways(summary)]

    def wordings(self) -> list[str]:
        """The summaries as the corpus writes them: {a} always comes before {b}.

        A small model learns "the caller first" at once. Which verb belongs to which of two names would need a second
        look at the dialogue after the first name is written, and takes it many times longer.
        """
        return [summary.replace("[", "").replace("]", "") for summary in self.summaries]

    def _ways(self, summary: str) -> list[str]:
        pair = _PAIR.search(summary)
        if pair is None or self.kinds[pair[1]] != self.kinds[pair[2]]:
            return [summary]
        # "{a} and {b} …" where one of them is named again would not mean the same when turned round.
        if summary.count("{" + pair[1] + "}") > 1 or summary.count("{" + pair[2] + "}") > 1:
            return [summary]
        return [summary, summary.replace(pair[0], f"{{{pair[2]}}} and {{{pair[1]}}}")]


def without(summary: str, part: int) -> str:
    """``summary`` with its droppable ``part`` left out and the brackets of the others removed."""
    spans = list(_DROPPABLE.finditer(summary))
    span = spans[part]
    return (summary[: span.start()] + summary[span.end() :]).replace("[", "").replace("]", "")


def parts(summary: str) -> int:
    """How many droppable parts a summary has."""
    return len(_DROPPABLE.findall(summary))
