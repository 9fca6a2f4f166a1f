"""When a policy's training must stop, and which of its checkpoints is kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from rlhf.exceptions import ConfigError


@dataclass(frozen=True)
class Measurement:
    """The policy on held-out prompts at one step; means over samples, KL in nats a sequence."""

    step: int
    kl: float
    reward: float
    judge: float | None
    length: float
    eos_rate: float
    unique_share: float


@dataclass(frozen=True)
class StopLimits:
    """Limits of the stop rules; a training is checked against them at every evaluation."""

    kl_target: float | None  # nats a sequence; None: β is fixed and only kl_limit holds
    kl_over: float = 1.5  # times the target, two evaluations in a row
    kl_limit: float = 10.0  # nats a sequence: for texts with tens of nats of entropy; lower it for shorter ones
    length_low: float = 0.5  # times the reference policy's mean length
    length_high: float = 1.5
    eos_rate: float = 0.9
    unique_loss: float = 0.3  # share of the reference policy's unique texts that may be lost
    disagreement: int = 3  # evaluations with the proxy up and the judge down

    def __post_init__(self) -> None:
        if self.kl_target is not None and self.kl_target <= 0:
            raise ConfigError(f"kl_target must be above 0 nats a sequence, not {self.kl_target}.")
        if self.kl_target is not None and self.kl_limit <= self.kl_target:
            raise ConfigError(
                f"kl_limit must be above kl_target ({self.kl_target:g} nats a sequence), not {self.kl_limit:g}: "
                "a policy at its target would be stopped."
            )


@dataclass(frozen=True)
class Stop:
    """A rule that fired and what was seen."""

    rule: str
    message: str


class StopRules:
    """Remembers the measurements of one training; the first is the reference policy itself."""

    def __init__(self, limits: StopLimits, reference: Measurement) -> None:
        self._limits = limits
        self._reference = reference
        self._seen = [reference]

    def check(self, now: Measurement) -> list[Stop]:
        """All rules that fire at ``now``."""
        self._seen.append(now)
        found = [self._kl(), self._length(now), self._eos(now), self._unique(now), self._disagreement()]
        return [stop for stop in found if stop is not None]

    def state(self) -> list[dict[str, object]]:
        """The measurements so far."""
        return [asdict(seen) for seen in self._seen]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Go on from ``state``."""
        self._seen = [Measurement(**seen) for seen in state]

    def _kl(self) -> Stop | None:
        limits, now = self._limits, self._seen[-1].kl
        if now > limits.kl_limit:
            return Stop("kl-limit", f"KL {now:.1f} nats a sequence is above the limit of {limits.kl_limit:g}.")
        if limits.kl_target is None:
            return None
        band = limits.kl_over * limits.kl_target
        if now > band and self._seen[-2].kl > band:
            return Stop("kl-target", f"KL {now:.1f} was above {band:.1f} nats a sequence twice in a row.")
        return None

    def _length(self, now: Measurement) -> Stop | None:
        share = now.length / max(self._reference.length, 1e-9)
        if self._limits.length_low <= share <= self._limits.length_high:
            return None
        return Stop("length", f"Mean length {now.length:.1f} tokens is {share:.2f} times the reference policy's.")

    def _eos(self, now: Measurement) -> Stop | None:
        if now.eos_rate >= self._limits.eos_rate:
            return None
        return Stop("eos-rate", f"Only {now.eos_rate:.0%} of the samples end with EOS within the token limit.")

    def _unique(self, now: Measurement) -> Stop | None:
        if now.unique_share >= (1 - self._limits.unique_loss) * self._reference.unique_share:
            return None
        before, after = self._reference.unique_share, now.unique_share
        return Stop("unique-share", f"Distinct samples fell from {before:.0%} to {after:.0%}.")

    def _disagreement(self) -> Stop | None:
        recent = self._seen[-(self._limits.disagreement + 1) :]
        judges = [seen.judge for seen in recent if seen.judge is not None]
        if len(recent) <= self._limits.disagreement or len(judges) < len(recent):
            return None
        if _rising([seen.reward for seen in recent]) and _rising([-judge for judge in judges]):
            times = self._limits.disagreement
            return Stop("judge", f"The reward rose while the judging member fell for {times} evaluations.")
        return None


def _rising(values: Sequence[float]) -> bool:
    return all(before < after for before, after in pairwise(values))


def unique_share(groups: Sequence[Sequence[str]]) -> float:
    """Share of distinct texts among the samples of one prompt, averaged over prompts; of all, for single samples."""
    if max((len(texts) for texts in groups), default=0) > 1:
        shares = [len(set(texts)) / len(texts) for texts in groups if texts]
        return sum(shares) / len(shares)
    texts = Counter(text for group in groups for text in group)
    return len(texts) / max(texts.total(), 1)


def checkpoint_order(seen: Measurement, *, kl_target: float | None, kl_limit: float) -> tuple[float, float]:
    """Sort key of a checkpoint, larger is better: first how near its KL is to the band, then its held-out reward.

    The band is 0.7–1.3 × target, inside the 0.5–1.5 a training must end in, because a measured KL has an
    error. The judging member's reward decides where there is one: the policy was not trained against it.
    """
    low, high = (0.7 * kl_target, 1.3 * kl_target) if kl_target else (0.0, kl_limit)
    outside = max(low - seen.kl, seen.kl - high, 0.0)
    return -outside, seen.reward if seen.judge is None else seen.judge
