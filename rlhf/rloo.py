"""RLOO's estimator (Ahmadian et al. 2024): a completion is one action, the prompt's other samples its baseline."""

import torch
from torch import Tensor, nn

from rlhf.losses import leave_one_out
from rlhf.policy_gradient import Readings
from rlhf.rollout import Samples


class LeaveOneOut:
    """Advantages without a value head."""

    def rates(self) -> list[tuple[nn.Parameter, float]]:
        """Nothing of its own is learnt."""
        return []

    def values(self, hidden: Tensor, prefix: Tensor) -> None:
        """There are none."""

    def advantages(self, samples: Samples, readings: Readings, scores: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """The same for all tokens of a completion: R = score − β·Σ(log π − log π_ref), less the others' mean R.

        Divided by the rollout's root mean square, so that a learning rate means the same for every reward; the mean
        over each prompt stays 0.
        """
        mask = samples.completions.mask
        rewards = scores - beta * readings.log_ratio.sum(dim=1)
        advantages = leave_one_out(rewards, samples.owner)
        # As in whitening: where all rewards are alike, rounding in the KL is not blown up to a signal.
        scaled = advantages * torch.rsqrt(advantages.square().mean() + 1e-8)
        return scaled[:, None] * mask, rewards[:, None] * mask

    def loss(self, hidden: Tensor, prefix: Tensor, old: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
        """Nothing to learn."""
        return returns.new_zeros(())
