"""How far the raters of one task disagree: pure functions over their answers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

THRESHOLD = 0.4  # of the pairs that two raters both decided; raters who rank by coin disagree on half
SEVERAL = 2  # people who skipped for the same reason

Groups = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Said:
    """What one rater said of a task, as far as it matters here."""

    groups: Groups
    strengths: Sequence[int] | None = None
    none_acceptable: bool = False
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Concern:
    """Why a reviewer should look at a task. ``disagreement`` is None where no two raters decided the same pair."""

    disagreement: float | None
    pairs: int  # (pair of raters, pair of completions) that both decided
    reasons: tuple[str, ...]


def disagreement(answers: Sequence[Groups]) -> tuple[float | None, int]:
    """Share of (pair of raters, pair of completions) in which they stand the other way round; and their number.

    Pairs that one of the two tied, or did not rank, are left out: one minus the pairwise agreement of the task.
    """
    against = both = 0
    levels = [{one: level for level, group in enumerate(groups) for one in group} for groups in answers]
    for first, second in combinations(levels, 2):
        for one, other in combinations(sorted(first.keys() & second.keys()), 2):
            here, there = first[one] - first[other], second[one] - second[other]
            if here and there:
                both += 1
                against += (here > 0) != (there > 0)
    return (against / both if both else None), both


def concern(said: Sequence[Said], skips: Mapping[str, int], *, threshold: float = THRESHOLD) -> Concern:
    """Everything about one task that asks for a reviewer; no reason, no concern."""
    value, pairs = disagreement([one.groups for one in said])
    reasons = []
    if value is not None and value >= threshold:
        reasons.append("disagreement")
    if any(one.flags for one in said):
        reasons.append("flags")
    if len({one.none_acceptable for one in said}) > 1:
        reasons.append("none_acceptable")
    reasons += [f"skipped_{reason}" for reason in _often(skips)]
    if len(said) > 1 and all(_unsure(one) for one in said):
        reasons.append("unsure")
    return Concern(value, pairs, tuple(reasons))


def _often(skips: Mapping[str, int]) -> Collection[str]:
    return [reason for reason in ("broken", "harmful", "unclear") if skips.get(reason, 0) >= SEVERAL]


def _unsure(one: Said) -> bool:
    """Nothing but ties and slight preferences."""
    return len(one.groups) < 2 or set(one.strengths or ()) == {1}
