"""The formulas of preference learning: reward, DPO and PPO losses, GAE and the KL controller.

Plain functions on tensors, no model in sight. ``[M]`` runs over the pairs of a batch, ``[B, T]`` over the
completion tokens of a rollout; masks are boolean and right padded.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rlhf.exceptions import ConfigError
from rlhf.tensors import masked_mean
from rlhf.training_config import DPOForm, TieRule

STRENGTH_MARGIN = {3: 1.0, 2: 2 / 3, 1: 1 / 3, 0: 0.0}
"""Margin by strength of a preference, in the unit of the reward (Llama 2, table 28, scaled to 1)."""


@dataclass(frozen=True)
class PairBatch:
    """The pairs of several rankings: indices into one flat vector of completions.

    ``better`` and ``worse`` are [M] long, ``tie`` [M] bool (then the two are interchangeable), ``weight`` [M] adds
    up to its ranking's weight (1 unless annotators are weighed), ``margin`` [M] is 0 unless strengths are used,
    ``rankings`` counts the rankings.
    """

    better: Tensor
    worse: Tensor
    tie: Tensor
    weight: Tensor
    margin: Tensor
    rankings: int

    def delta(self, scores: Tensor) -> Tensor:
        """``scores`` [B] -> r_better − r_worse [M]."""
        return scores[self.better] - scores[self.worse]

    def mean(self, losses: Tensor) -> Tensor:
        """Weighted mean of per-pair ``losses`` [M]: every ranking counts once, however many pairs it has."""
        return (losses * self.weight).sum() / max(self.rankings, 1)


def rao_kupper_log_probabilities(delta: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(win), log p(lose), log p(tie) of Rao and Kupper (1967); ``delta`` [M], ``theta`` > 0 a scalar.

    p_win = σ(d − θ), p_lose = σ(−d − θ), p_tie = 1 − p_win − p_lose = (e^{2θ} − 1)·p_win·p_lose; the product form
    loses no digits where p_tie is tiny.
    """
    win = functional.logsigmoid(delta - theta)
    lose = functional.logsigmoid(-delta - theta)
    # log(e^{2θ} − 1) = 2θ + log(1 − e^{−2θ}) does not overflow for a large θ.
    tie = 2 * theta + torch.log(-torch.expm1(-2 * theta)) + win + lose
    return win, lose, tie


def preference_losses(
    delta: Tensor, tie: Tensor, *, rule: TieRule, theta: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Negative log-likelihood of each pair [M] under Bradley–Terry, with ties by ``rule``.

    ``delta`` [M] is r_better − r_worse (minus a margin, times β for DPO). ``smoothing`` ε is the probability that a
    label is flipped: −(1 − ε)·log p_win − ε·log p_lose. ``soft`` gives a tie the label ½; ``drop`` gives it loss 0.
    """
    if rule == "rao-kupper":
        if theta is None:
            raise ConfigError("The Rao–Kupper tie rule needs its threshold theta.")
        win, lose, drawn = rao_kupper_log_probabilities(delta, theta)
    else:
        win, lose = functional.logsigmoid(delta), functional.logsigmoid(-delta)
        drawn = 0.5 * (win + lose) if rule == "soft" else torch.zeros_like(delta)
    decided = (1 - smoothing) * win + smoothing * lose
    return -torch.where(tie, drawn, decided)


def reward_loss(
    scores: Tensor,
    pairs: PairBatch,
    *,
    rule: TieRule,
    theta: Tensor | None = None,
    smoothing: float = 0.0,
    centering: float = 0.0,
) -> Tensor:
    """Loss of a reward model on a batch of rankings; ``scores`` [B], scalar.

    ``centering`` c adds c·mean((r_w + r_l)²), which fixes the free constant of a reward (Eisenstein et al. 2023).
    """
    delta = torch.where(pairs.tie, pairs.delta(scores), pairs.delta(scores) - pairs.margin)
    loss = pairs.mean(preference_losses(delta, pairs.tie, rule=rule, theta=theta, smoothing=smoothing))
    if centering:
        loss = loss + centering * pairs.mean((scores[pairs.better] + scores[pairs.worse]) ** 2)
    return loss


def dpo_losses(
    log_ratios: Tensor,
    lengths: Tensor,
    pairs: PairBatch,
    *,
    beta: float,
    form: DPOForm = "sigmoid",
    rule: TieRule = "soft",
    theta: Tensor | None = None,
    smoothing: float = 0.0,
) -> Tensor:
    """DPO loss of each pair [M] (Rafailov et al. 2023, eq. 7; IPO: Azar et al. 2023, eq. 17; hinge: SLiC).

    ``log_ratios`` [B] = log π(y|x) − log π_ref(y|x) summed over the tokens, ``lengths`` [B] in tokens, EOS counted.
    IPO compares means over tokens, as its authors' code does. Ties: Rao–Kupper with d = βΔ for the sigmoid form;
    for hinge and IPO a tie is pulled to Δ = 0 by half of the loss in both directions.
    """
    if form == "sigmoid":
        return preference_losses(beta * pairs.delta(log_ratios), pairs.tie, rule=rule, theta=theta, smoothing=smoothing)
    if form == "hinge":
        delta = beta * pairs.delta(log_ratios)
        kept, flipped = torch.relu(1 - delta), torch.relu(1 + delta)
    else:
        delta = pairs.delta(log_ratios / lengths.clamp(min=1))
        kept, flipped = (delta - 1 / (2 * beta)) ** 2, (delta + 1 / (2 * beta)) ** 2
    decided = (1 - smoothing) * kept + smoothing * flipped
    drawn = torch.zeros_like(kept) if rule == "drop" else 0.5 * (kept + flipped)
    return torch.where(pairs.tie, drawn, decided)


def inverse_softplus(value: float) -> float:
    """t with softplus(t) = ``value``; ``value`` > 0."""
    return value + math.log(-math.expm1(-value))


def tie_threshold(share: float) -> float:
    """θ at which two equally good texts tie with probability ``share``: p_tie(d=0) = tanh(θ/2), 0 < share < 1."""
    return 2 * math.atanh(share)


def k3(log_ratio: Tensor) -> Tensor:
    """Schulman's estimator of KL(π‖π_ref) from samples of π: e^{−x} − 1 + x with x = log π − log π_ref, ≥ 0."""
    return torch.expm1(-log_ratio) + log_ratio


def token_rewards(log_ratio: Tensor, mask: Tensor, scores: Tensor, beta: float) -> Tensor:
    """Reward of each token [B, T]: −β(log π − log π_ref) everywhere, the score [B] added at the last real token.

    The KL is part of the reward and carries no gradient (Ziegler et al. 2019; Ouyang et al. 2022, eq. 2).
    """
    rewards = -beta * log_ratio.detach() * mask
    last = mask.sum(dim=1).clamp(min=1) - 1
    rewards[torch.arange(len(scores), device=scores.device), last] += scores
    return rewards


def gae(rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimates and returns, both [B, T] (Schulman et al. 2016, eq. 16); 0 where masked.

    δ_t = r_t + γ·V_{t+1} − V_t and A_t = δ_t + γλ·A_{t+1}; the value after the last real token is 0, because an
    episode ends there.
    """
    values = values * mask
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for step in reversed(range(rewards.shape[1])):
        after = values[:, step + 1] if step + 1 < rewards.shape[1] else torch.zeros_like(following)
        delta = rewards[:, step] + gamma * after - values[:, step]
        following = (delta + gamma * lam * following) * mask[:, step]
        advantages[:, step] = following
    return advantages, (advantages + values) * mask


def leave_one_out(rewards: Tensor, owner: Tensor) -> Tensor:
    """A_i = R_i − mean of the other samples' R of the same prompt; ``rewards`` and ``owner`` [B] -> [B].

    Kool et al. 2019; Ahmadian et al. 2024, eq. 8. A prompt with one sample has no baseline: its advantage is 0.
    """
    prompts = int(owner.max()) + 1
    sums = rewards.new_zeros(prompts).index_add(0, owner, rewards)[owner]
    others = rewards.new_zeros(prompts).index_add(0, owner, torch.ones_like(rewards))[owner] - 1
    baseline = (sums - rewards) / others.clamp(min=1)
    return torch.where(others > 0, rewards - baseline, torch.zeros_like(rewards))


def clipped_policy_loss(
    log_probabilities: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip: float
) -> tuple[Tensor, Tensor]:
    """PPO's policy loss and the share of clipped tokens, both scalars; inputs [B, T] (Schulman et al. 2017, eq. 7)."""
    ratio = torch.exp(log_probabilities - old)
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = masked_mean(torch.maximum(plain, clipped), mask)
    return loss, masked_mean((clipped > plain).to(ratio.dtype), mask)


def clipped_value_loss(values: Tensor, old: Tensor, returns: Tensor, mask: Tensor, *, clip: float) -> Tensor:
    """½·mean of the larger of the plain and the clipped squared error; inputs [B, T]."""
    held = old + (values - old).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (held - returns) ** 2), mask)


@dataclass
class AdaptiveBeta:
    """The KL controller of Ziegler et al. 2019 (section 2.2).

    ``target`` is in nats a sequence, ``horizon`` in episodes; with no target β stays as it is.
    """

    value: float
    target: float | None
    horizon: float

    def update(self, kl: float, episodes: int) -> float:
        """β ← β·(1 + clip(KL/target − 1, ±0.2)·n/horizon)."""
        if self.target is not None:
            error = min(max(kl / self.target - 1, -0.2), 0.2)
            self.value *= 1 + error * episodes / self.horizon
        return self.value
