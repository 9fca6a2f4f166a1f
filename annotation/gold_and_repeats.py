"""Tests of the annotators: gold, where the better side is known, and repeats, where one is held against oneself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from annotation.bootstrap import MINIMUM, Figure, ratio_figure, wilson

Groups = Sequence[Sequence[int]]
Verdict = Literal["passed", "failed", "too few"]


@dataclass(frozen=True)
class GoldAnswer:
    """One ranking of a gold task; ``pairs`` are [better, worse] completion ids."""

    annotator: str
    groups: Groups
    pairs: Sequence[Sequence[int]]
    method: str = "full"


@dataclass
class Score:
    """Known pairs that were decided, and how many of them the right way round. A tie is not right.

    ``tasks`` are the answers that decide any known pair: one that does not (none acceptable) says nothing of which is
    better.
    """

    answers: int = 0
    tasks: int = 0
    pairs: int = 0
    right: int = 0

    @property
    def share(self) -> float | None:
        return self.right / self.pairs if self.pairs else None

    def add(self, answer: GoldAnswer) -> None:
        decided, right = pairs_right(answer.groups, answer.pairs, method=answer.method)
        self.answers += 1
        self.tasks += bool(decided)
        self.pairs += decided
        self.right += right


@dataclass(frozen=True)
class GoldResult:
    """``share`` of gold pairs that were right; its interval is Wilson's with n = gold tasks, for pairs of one task
    hang together.
    """

    share: Figure
    right: int
    pairs: int
    verdict: Verdict


@dataclass(frozen=True)
class Repeat:
    """One person's two rankings of the same completions."""

    annotator: str
    first: Groups
    second: Groups


@dataclass(frozen=True)
class Consistency:
    """How a person agrees with themselves: n = repeats.

    ``same_order`` is the share of repeats with the same groups in the same order, ``pairs`` the share
    of pairs decided the same way among those strict both times; both None below the minimum.
    """

    repeats: int
    same_order: Figure | None
    pairs: Figure | None


def pairs_right(
    groups: Iterable[Sequence[int]], known: Sequence[Sequence[int]], *, method: str = "full"
) -> tuple[int, int]:
    """(pairs that the ranking decides on, pairs that it has the right way round) of ``known`` [[better, worse], …].

    A tie is not right. In a best–worst answer, the members of one group were not compared with each other.
    """
    place = {completion: index for index, group in enumerate(groups) for completion in group}
    decided = [
        (place[better], place[worse])
        for better, worse in known
        if better in place and worse in place and not (method == "best_worst" and place[better] == place[worse])
    ]
    return len(decided), sum(better < worse for better, worse in decided)


def gold_results(
    answers: Iterable[GoldAnswer], *, needed: float, before_trust: int, minimum: int = MINIMUM
) -> dict[str, GoldResult]:
    """How each annotator did on gold, those with any: what every page and the API say of it.

    *Passed* is who has the share ``needed`` of the gold pairs right, 0.7 unless the project says otherwise; *too few*
    whoever has ranked fewer gold tasks than come ``before_trust``, 20 unless the project says otherwise, or than the
    five below which no share is shown.
    """
    scores: dict[str, Score] = {}
    for answer in answers:
        scores.setdefault(answer.annotator, Score()).add(answer)
    found = {}
    for name, score in sorted(scores.items()):
        if score.share is None:
            continue
        enough = score.tasks >= max(minimum, before_trust)
        verdict: Verdict = "too few" if not enough else "passed" if score.share >= needed else "failed"
        found[name] = GoldResult(wilson(score.share, score.tasks), score.right, score.pairs, verdict)
    return found


def consistencies(repeats: Iterable[Repeat], *, seed: int = 0, minimum: int = MINIMUM) -> dict[str, Consistency]:
    """By annotator, those with any repeat; "" is everybody together."""
    own: dict[str, list[tuple[bool, int, int]]] = {}
    for repeat in repeats:
        row = _compared(repeat)
        own.setdefault(repeat.annotator, []).append(row)
        own.setdefault("", []).append(row)
    found = {}
    for name, rows in sorted(own.items()):
        identical, same, strict = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
        order = wilson(float(identical.mean()), len(rows)) if len(rows) >= max(1, minimum) else None
        pairs = ratio_figure(same, strict, seed=seed, minimum=minimum)
        found[name] = Consistency(len(rows), order, pairs)
    return found


def _compared(repeat: Repeat) -> tuple[bool, int, int]:
    """Is it the same order; pairs decided the same way; pairs that were strict both times."""
    one, other = _levels(repeat.first), _levels(repeat.second)
    both = sorted(one.keys() & other.keys())
    signs = [
        (np.sign(one[b] - one[a]), np.sign(other[b] - other[a])) for i, a in enumerate(both) for b in both[i + 1 :]
    ]
    strict = [(x, y) for x, y in signs if x and y]
    return all(x == y for x, y in signs), sum(x == y for x, y in strict), len(strict)


def _levels(groups: Groups) -> dict[int, int]:
    return {completion: level for level, group in enumerate(groups) for completion in group}
