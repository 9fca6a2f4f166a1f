"""Labels that a reward model is sure are the wrong way round: to be asked again, never dropped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scipy.special import expit

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
    """The pairs to look at, surest first, of ``scored`` pairs whose completions both have a reward.

    ``share`` is that of the suspicious among them; None when nothing was scored.
    """

    pairs: tuple[Suspicious, ...]
    suspicious: int
    scored: int

    @property
    def share(self) -> float | None:
        return self.suspicious / self.scored if self.scored else None


def disagreements(
    pairs: Iterable[Preferred], rewards: Mapping[int, float], *, sure: float = SURE, limit: int = 200
) -> Disagreements:
    """``rewards`` by completion id, on the scale of the model's logits. One pair of each ranking: the surest."""
    worst: dict[int, Suspicious] = {}
    scored = suspicious = 0
    for pair in pairs:
        if pair.chosen not in rewards or pair.rejected not in rewards:
            continue
        scored += 1
        probability = float(expit(rewards[pair.rejected] - rewards[pair.chosen]))
        if probability < sure:
            continue
        suspicious += 1
        known = worst.get(pair.ranking)
        if known is None or probability > known.probability:
            worst[pair.ranking] = Suspicious(pair.ranking, pair.chosen, pair.rejected, probability)
    found = sorted(worst.values(), key=lambda one: (-one.probability, one.ranking))
    return Disagreements(tuple(found[:limit]), suspicious, scored)
