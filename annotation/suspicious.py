"""Labels that a reward model is sure are the wrong way round: to be asked again, never dropped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import scipy

from annotation.bootstrap import MINIMUM, Figure, wilson

SURE = 0.9


@dataclass(frozen=True)
class Preferred:
    """One strict pair of a ranking."""

    ranking: int
    chosen: int
    rejected: int


@dataclass(frozen=True)
class Suspicious:
    """``probability`` that the rejected one is better, by the reward model: σ(its reward − the chosen one's)."""

    ranking: int
    chosen: int
    rejected: int
    probability: float


@dataclass(frozen=True)
class Disagreements:
    """The pairs to look at, surest first, one of each ranking.

    ``share`` is that of rankings with a suspicious pair among the ``scored`` ones (Wilson, n = scored
    rankings), None below the minimum; a ranking is scored when both completions of a pair have a reward.
    """

    pairs: tuple[Suspicious, ...]
    suspicious: int
    scored: int
    share: Figure | None


def disagreements(
    pairs: Iterable[Preferred],
    rewards: Mapping[int, float],
    *,
    sure: float = SURE,
    limit: int = 50,
    minimum: int = MINIMUM,
) -> Disagreements:
    """``rewards`` are log-odds by completion id: the difference of two is that of the first being preferred."""
    worst: dict[int, Suspicious] = {}
    scored: set[int] = set()
    for pair in pairs:
        if pair.chosen not in rewards or pair.rejected not in rewards:
            continue
        scored.add(pair.ranking)
        probability = float(scipy.special.expit(rewards[pair.rejected] - rewards[pair.chosen]))
        known = worst.get(pair.ranking)
        if probability >= sure and (known is None or probability > known.probability):
            worst[pair.ranking] = Suspicious(pair.ranking, pair.chosen, pair.rejected, probability)
    found = sorted(worst.values(), key=lambda one: (-one.probability, one.ranking))
    share = wilson(len(found) / len(scored), len(scored)) if len(scored) >= max(1, minimum) else None
    return Disagreements(tuple(found[:limit]), len(found), len(scored), share)
