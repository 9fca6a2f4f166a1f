"""A weighted sum of rewards, and the mean and sd that bring its parts to one unit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from rlhf.exceptions import ConfigError, DataError
from rlhf.reward import Reward, TextLimits
from rlhf.reward_model import Scores
from rlhf.reward_spec import PartSpec, SumSpec

Texts = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


@dataclass(frozen=True)
class Part:
    """One term: ``spec.weight`` · (score − mean) / sd."""

    spec: PartSpec
    reward: Reward

    def term(self, scores: Scores) -> Scores:
        """``scores`` of the part's reward, standardised where that is asked for, times the weight."""
        mean, sd = self.spec.mean or 0.0, self.spec.sd or 1.0
        return [[self.spec.weight * (value - mean) / sd for value in row] for row in scores]


class SumReward(Reward):
    """Σ weight · part. It has a judge where a part has one; the other parts then judge by their own score."""

    def __init__(self, spec: SumSpec, rewards: Sequence[Reward]) -> None:
        unfitted = [part.name for part in spec.parts if part.unfitted]
        if unfitted:
            raise ConfigError(f"part {unfitted[0]!r} is to be standardised, but its mean and sd are not known yet")
        super().__init__(spec, narrowest(rewards))
        self._parts = [Part(one, reward) for one, reward in zip(spec.parts, rewards, strict=True)]
        # What was scored last: who asks for the sum often asks for the parts of the same texts next.
        self._last: tuple[Texts, dict[str, Scores]] | None = None

    @property
    def record(self) -> dict[str, object]:
        keys = ("name", "weight", "mean", "sd")
        parts = [{key: getattr(part.spec, key) for key in keys} | {"of": part.reward.record} for part in self._parts]
        return {"kind": "sum", "parts": parts}

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        found = self.parts(prompts, completions)
        return added([part.term(found[part.spec.name]) for part in self._parts])

    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores | None:
        judged = {part.spec.name: part.reward.judge(prompts, completions) for part in self._parts}
        if all(scores is None for scores in judged.values()):
            return None
        found = self.parts(prompts, completions) | {name: own for name, own in judged.items() if own is not None}
        return added([part.term(found[part.spec.name]) for part in self._parts])

    def parts(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> dict[str, Scores]:
        """Each part's scores in its own unit, before weight and standardising."""
        texts = (tuple(prompts), tuple(tuple(row) for row in completions))
        if self._last is None or self._last[0] != texts:
            self._last = (texts, {part.spec.name: part.reward.score(prompts, completions) for part in self._parts})
        return self._last[1]


def added(terms: Sequence[Scores]) -> Scores:
    """The sum over ``terms``, element by element."""
    return [[sum(values) for values in zip(*rows, strict=True)] for rows in zip(*terms, strict=True)]


def narrowest(rewards: Sequence[Reward]) -> TextLimits | None:
    """What all of ``rewards`` can read; None where each reads anything."""
    limits = [reward.limits for reward in rewards if reward.limits is not None]
    if not limits:
        return None
    return TextLimits(min(one.prompt for one in limits), min(one.completion for one in limits))


def fitted(part: PartSpec, reward: Reward, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> PartSpec:
    """``part`` with the mean and population sd of ``reward`` on these texts, the anchor's samples.

    Raises DataError where all texts have the same score: no factor gives that an sd of 1.
    """
    values = np.array(list(chain.from_iterable(reward.score(prompts, completions))), dtype=np.float64)
    mean, sd = float(values.mean()), float(values.std())
    if sd <= 1e-8 * max(1.0, abs(mean)):
        raise DataError(
            f"Part {part.name!r} scores each of the anchor's {len(values)} samples {mean:.4g}: it cannot be "
            "standardised. Switch standardise off, or give mean and sd."
        )
    return replace(part, mean=mean, sd=sd)
