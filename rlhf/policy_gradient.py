"""What PPO and RLOO share: a rollout read by policy and reference, and the clipped loss of a minibatch.

They differ in where a token's advantage comes from, which is the ``Estimator``'s part: a value head (ppo.py) or the
other samples of the same prompt (rloo.py). After Ziegler et al. 2019, Stiennon et al. 2020, Ouyang et al. 2022 and
"The N implementation details of RLHF with PPO" (Huang et al. 2023).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from rlhf import parallel
from rlhf.losses import clipped_policy_loss, k3
from rlhf.models import Policy
from rlhf.policy_gradient_config import PolicyGradientConfig
from rlhf.reading import TokenReading, read_tokens
from rlhf.reward_model import RewardScorer, shares_encoder
from rlhf.rollout import Samples, compare_samples, sample, score, select
from rlhf.tensors import masked_mean
from rlhf.types import Prompt, Reporter
from rlhf.updates import Metrics, Sums


@dataclass(frozen=True)
class Readings:
    """A rollout as policy and reference read it; all [B, T], 0 outside the mask."""

    log_probabilities: Tensor  # of the policy at the time of sampling, from the training forward
    reference: Tensor  # the reference's
    values: Tensor  # of the estimator, 0 where it has none
    kl: Tensor  # of each step, over the whole vocabulary
    entropy: Tensor

    @property
    def prefix(self) -> Tensor:
        """The reference's log-probability of all that stands before each token; 0 at the first."""
        return self.reference.cumsum(dim=1) - self.reference

    @property
    def log_ratio(self) -> Tensor:
        """log π − log π_ref of each token."""
        return self.log_probabilities - self.reference


@dataclass(frozen=True)
class Experience:
    """One rollout, ready for optimisation."""

    samples: Samples
    readings: Readings
    advantages: Tensor  # [B, T], in units of their own spread; 0 outside the mask
    returns: Tensor  # [B, T], what a value head learns
    rewards: Tensor  # [B], before the KL

    @property
    def kl(self) -> Tensor:
        """[B], the full-vocabulary KL to the reference summed over the steps, in nats."""
        return self.readings.kl.sum(dim=1)

    def metrics(self) -> Metrics:
        """The curves' figures of the rollout."""
        mask = self.samples.completions.mask
        return {
            "reward": float(self.rewards.mean()),
            "kl": float(self.kl.mean()),
            "k3": float((k3(self.readings.log_ratio) * mask).sum(dim=1).mean()),
            "entropy": float(masked_mean(self.readings.entropy, mask)),
            "length": float(self.samples.lengths.float().mean()),
            "eos_rate": float(self.samples.finished.float().mean()),
        }


class Estimator(Protocol):
    """Where advantages come from."""

    def rates(self) -> list[tuple[nn.Parameter, float]]:
        """Its own parameters with their learning rates."""

    def values(self, hidden: Tensor, prefix: Tensor) -> Tensor | None:
        """Values [B, T] from hidden states [B, T, D] and the prefixes' log-probabilities [B, T]; None without any."""

    def advantages(self, samples: Samples, readings: Readings, scores: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """(advantages, returns), both [B, T] and 0 outside the mask; ``scores`` [B] come before the KL."""

    def loss(self, hidden: Tensor, prefix: Tensor, old: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
        """Mean loss of the values over the tokens of a minibatch, already weighted; a scalar, 0 without values."""


@torch.no_grad()
def collect(
    config: PolicyGradientConfig,
    policy: Policy,
    estimator: Estimator,
    scorer: RewardScorer,
    prompts: Sequence[Prompt],
    *,
    beta: float,
    seed: int,
    reporter: Reporter,
) -> Experience:
    """Sample, read with policy and reference, score, and estimate advantages; the same in all processes."""
    # 1. Completions, at the temperature the log-probabilities are taken at.
    samples = sample(
        policy,
        prompts,
        config.samples_per_prompt,
        config.sampling,
        seed=seed,
        batch_size=config.batch_size,
        reporter=reporter,
    )

    # 2. The training forward by policy and reference; generate()'s own probabilities are not used.
    readings = read(config, policy, estimator, samples)

    # 3. Rewards and advantages over the whole rollout.
    scores = score(samples, scorer, missing_eos=config.missing_eos_reward)
    advantages, returns = estimator.advantages(samples, readings, scores, beta)
    if not shares_encoder(policy):
        samples = replace(samples, state=None)  # the first update makes it another's
    return Experience(samples, readings, advantages, returns, scores)


@torch.no_grad()
def read(config: PolicyGradientConfig, policy: Policy, estimator: Estimator, samples: Samples) -> Readings:
    """Policy, reference and values on ``samples``, ``batch_size`` rows at a time; without gradient."""
    mask = samples.completions.mask
    found = torch.zeros(5, *mask.shape, device=mask.device)  # in the order of Readings' fields
    size = min(config.batch_size, math.ceil(len(mask) / parallel.count()))
    blocks = parallel.mine(torch.split(torch.arange(len(mask), device=mask.device), size))
    parts = [select(samples, rows) for rows in blocks]
    compared = compare_samples(policy, parts, temperature=config.temperature)
    for rows, part, (one, hidden) in zip(blocks, parts, compared, strict=True):
        prefix = one.reference.cumsum(dim=1) - one.reference
        values = estimator.values(hidden[:, :-1], prefix)
        values = torch.zeros_like(prefix) if values is None else values * part.completions.mask
        figures = torch.stack([one.log_probabilities, one.reference, values, one.kl, one.entropy])
        found[:, rows, : figures.shape[2]] = figures
    if parallel.count() > 1:
        torch.distributed.all_reduce(found)
    return Readings(*found)


def minibatch_loss(
    config: PolicyGradientConfig, policy: Policy, estimator: Estimator, experience: Experience, rows: Tensor
) -> tuple[Tensor, Sums]:
    """Loss of the completions ``rows``, *summed* over their tokens, and sums of its parts for the curves."""
    part = select(experience.samples, rows)
    mask, width = part.completions.mask, part.completions.ids.shape[1]
    state = policy.read_prompts(part.prompts) if part.state is None else part.state
    reading = read_tokens(policy, state, part.owner, part.completions, temperature=config.temperature)
    readings, tokens = experience.readings, mask.sum()
    policy_loss, clip_fraction = clipped_policy_loss(
        reading.log_probabilities(),
        readings.log_probabilities[rows, :width],
        experience.advantages[rows, :width],
        mask,
        clip=config.clip,
    )
    value_loss = estimator.loss(
        reading.hidden[:, :-1],
        readings.prefix[rows, :width],
        readings.values[rows, :width],
        experience.returns[rows, :width],
        mask,
    )
    total = policy_loss + value_loss - _entropy_bonus(config, reading, mask)
    parts = {"policy_loss": policy_loss, "value_loss": value_loss, "clip_fraction": clip_fraction}
    count = float(tokens)
    return total * tokens, {name: (float(value.detach()) * count, count) for name, value in parts.items()}


def _entropy_bonus(config: PolicyGradientConfig, reading: TokenReading, mask: Tensor) -> Tensor | float:
    """c2 times the mean entropy of a step; its pass over all logits is saved where c2 is 0."""
    if config.entropy_coefficient == 0:
        return 0.0
    return config.entropy_coefficient * masked_mean(reading.entropy(), mask)
