"""Held-out measurements of a policy in training, and the best of its checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from rlhf.config import SamplingConfig
from rlhf.exceptions import DataError
from rlhf.models import Policy
from rlhf.reward_model import RewardScorer
from rlhf.rollout import Samples, measure, sample, score, sequence_kl
from rlhf.statistics import normal_interval
from rlhf.stop_rules import Measurement, StopLimits, checkpoint_order
from rlhf.types import Prompt, Reporter


def fitting_prompts(policy: Policy, prompts: Sequence[Prompt], reporter: Reporter) -> list[Prompt]:
    """The prompts within the model's limit; the others are counted and reported once, never cut."""
    kept = [prompt for prompt in prompts if policy.prompt_length(prompt.text) <= policy.max_prompt_tokens]
    if len(kept) < len(prompts):
        skipped, limit = len(prompts) - len(kept), policy.max_prompt_tokens
        reporter.event("warning", f"{skipped} of {len(prompts)} prompts exceed {limit} tokens and are left out.")
    if not kept:
        raise DataError(f"None of the {len(prompts)} prompts can be used; training needs prompts and held-out prompts.")
    return kept


@dataclass(frozen=True)
class HeldOut:
    """Measures a policy on held-out prompts, with the same seed each time and once on fresh samples."""

    policy: Policy
    scorer: RewardScorer | None
    prompts: Sequence[Prompt]
    sampling: SamplingConfig
    samples: int  # completions of a measurement, about
    missing_eos: float
    batch_size: int
    seed: int
    reporter: Reporter

    def measure(self, step: int) -> Measurement:
        """Common random numbers for all steps: differences between checkpoints are the policy's, not the dice's."""
        return measure(
            self.policy,
            self.scorer,
            self._draw(2 * self.seed),
            step=step,
            missing_eos=self.missing_eos,
            temperature=self.sampling.temperature,
            batch_size=self.batch_size,
        )

    def facts(self) -> dict[str, object]:
        """Reward, KL and length, with intervals over the prompts, on samples that chose no checkpoint."""
        drawn = self._draw(2 * self.seed + 1)
        kl = sequence_kl(self.policy, drawn, temperature=self.sampling.temperature, batch_size=self.batch_size)
        facts: dict[str, object] = {
            "kl": normal_interval(_by_prompt(kl, drawn)),
            "length": normal_interval(_by_prompt(drawn.lengths.float(), drawn)),
            "eos_rate": float(drawn.finished.float().mean()),
        }
        if self.scorer is not None:
            rewards = score(drawn, self.scorer, missing_eos=self.missing_eos)
            facts["reward"] = normal_interval(_by_prompt(rewards, drawn))
        return facts

    def _draw(self, seed: int) -> Samples:
        prompts = self.prompts[: self.samples]
        return sample(
            self.policy,
            prompts,
            max(1, self.samples // len(prompts)),
            self.sampling,
            seed=seed,
            batch_size=self.batch_size,
            reporter=self.reporter,
        )


def _by_prompt(values: Tensor, samples: Samples) -> list[float]:
    """Means over the samples of each prompt: the independent units."""
    return [float(values[samples.owner == index].mean()) for index in range(len(samples.prompt_texts))]


class Keeper:
    """The adapter of the best checkpoint, in memory."""

    def __init__(self, policy: Policy, limits: StopLimits, start: Measurement) -> None:
        self._policy, self._limits = policy, limits
        self._best = start
        self._weights = self._copy()

    def see(self, now: Measurement) -> None:
        """Keep the present weights if ``now`` is better than all before."""
        if self._key(now) > self._key(self._best):
            self._best, self._weights = now, self._copy()

    def put_back(self) -> Measurement:
        """Put the best weights back; the measurement they were chosen by."""
        with torch.no_grad():
            for parameter, kept in zip(self._policy.parameters_trainable(), self._weights, strict=True):
                parameter.copy_(kept)
        return self._best

    def state(self) -> dict[str, object]:
        """The best measurement and its weights."""
        return {"best": asdict(self._best), "weights": self._weights}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._best = Measurement(**state["best"])
        self._weights = [
            saved.to(parameter.device)
            for saved, parameter in zip(state["weights"], self._policy.parameters_trainable(), strict=True)
        ]

    def _key(self, seen: Measurement) -> tuple[float, float]:
        return checkpoint_order(seen, kl_target=self._limits.kl_target, kl_limit=self._limits.kl_limit)

    def _copy(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self._policy.parameters_trainable()]
