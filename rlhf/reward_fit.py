"""The fit of one member of a reward model: all pairs of a ranking as one element, early stop on validation log-loss."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rlhf import parallel
from rlhf.examples import Examples
from rlhf.losses import inverse_softplus, preference_losses, reward_loss, tie_threshold
from rlhf.models import Policy
from rlhf.preferences import PreferenceBatch, shared_batch
from rlhf.reward_model import RewardHead, RewardModel
from rlhf.training import loop_config, train
from rlhf.training_config import RewardConfig, TieRule
from rlhf.types import Ranking, Reporter
from rlhf.updates import Sums


@dataclass(frozen=True)
class TieSettings:
    """How ties are learnt, and their share, which θ starts from."""

    rule: TieRule
    share: float

    @property
    def start(self) -> float:
        """softplus⁻¹ of the θ at which equally good texts tie this often."""
        return inverse_softplus(tie_threshold(min(max(self.share, 0.01), 0.9)))


def steps_of(config: RewardConfig, rankings: int) -> int:
    """Optimiser steps of one member on ``rankings`` rankings."""
    return config.epochs * math.ceil(rankings / config.batch_rankings)


def fit_member(
    config: RewardConfig,
    policy: Policy,
    ties: TieSettings,
    rankings: Sequence[Ranking],
    validation: Sequence[Ranking],
    *,
    seed: int,
    reporter: Reporter,
    checkpoint: Path | None = None,
    weights: Sequence[float] | None = None,
) -> RewardModel:
    """Train ``policy`` (the anchor, changed in place) and a new head; the weights with the best log-loss stay.

    ``weights`` say how much each of ``rankings`` counts, 1 unless given. A broken fit goes on from its last checkpoint
    in the folder ``checkpoint``. Raises Cancelled within one step.
    """
    # 1. Body and head.
    _prepare(config, policy, seed)
    generator = torch.Generator().manual_seed(seed)
    scalar = RewardHead(policy.hidden_size, theta=ties.start, likelihood=config.likelihood, generator=generator)
    model = RewardModel(policy, scalar)
    body, head = policy.parameters_trainable(), list(model.head.parameters())

    # 2. One ranking is one example.
    counts = list(weights or [1.0] * len(rankings))

    def loss(rows: list[int]) -> tuple[Tensor, Sums]:
        chosen, own = [rankings[row] for row in rows], [counts[row] for row in rows]
        batch = shared_batch(policy, chosen, margins=config.strength_margin, weights=own)
        scores = _scores(model, batch)
        mean = reward_loss(
            scores,
            batch.pairs,
            rule=ties.rule,
            theta=model.head.theta,
            smoothing=config.label_smoothing,
            centering=config.centering,
        )
        right = batch.pairs.delta(scores.detach())[~batch.pairs.tie] > 0
        return mean * len(rows), {"accuracy": (float(right.sum()), len(right))}

    early_stop = len(validation) >= config.least_validation
    task = Examples(
        name="Reward model",
        parameters=[*body, *head],
        rates=[config.learning_rate] * len(body) + [config.head_learning_rate] * len(head),
        weights=counts,
        lengths=[policy.prompt_length(ranking.prompt) for ranking in rankings],
        loss=loss,
        batch_size=config.batch_rankings,
        epochs=config.epochs,
        seed=seed,
        data=hashlib.sha256(repr((rankings, counts)).encode()).hexdigest(),
        measure=(lambda step: validate(config, model, ties, validation)) if early_stop else None,
    )

    # 3. The product's one loop; it stops early and keeps the best weights.
    every = max(1, steps_of(config, len(rankings)) // (config.epochs * config.evaluations))
    loop = loop_config(config, evaluate_every=every, patience=config.patience if early_stop else 0)
    train(loop, task, seed=seed, reporter=reporter, checkpoint=checkpoint)
    return model


def _prepare(config: RewardConfig, policy: Policy, seed: int) -> None:
    if config.adaptation == "lora":
        policy.add_lora(config.lora, seed=seed)
        return
    # Adam's steps on all weights are below bf16's resolution.
    policy.model.float()
    policy.model.requires_grad_(requires_grad=True)


def _scores(model: RewardModel, batch: PreferenceBatch) -> Tensor:
    return model.score_tokens(model.policy.read_prompts(batch.prompts), batch.owner, batch.completions)


@torch.no_grad()
def validate(
    config: RewardConfig, model: RewardModel, ties: TieSettings, rankings: Sequence[Ranking]
) -> dict[str, float]:
    """Log-loss (of all pairs, ties by their rule, no smoothing or margin) and accuracy on ``rankings``."""
    size = config.batch_rankings
    batches = [rankings[start : start + size] for start in range(0, len(rankings), size)]

    def sums(own: Sequence[Sequence[Ranking]]) -> list[tuple[float, int, int]]:
        return [_batch_sums(model, ties, batch) for batch in own]

    losses, right, decided = (sum(column) for column in zip(*parallel.spread(sums, batches), strict=True))
    return {"validation_loss": losses / len(rankings), "validation_accuracy": right / max(decided, 1)}


def _batch_sums(model: RewardModel, ties: TieSettings, rankings: Sequence[Ranking]) -> tuple[float, int, int]:
    """(sum of the rankings' log-losses, decided pairs in the right order, decided pairs)."""
    batch = shared_batch(model.policy, rankings)
    delta = batch.pairs.delta(_scores(model, batch))
    losses = preference_losses(delta, batch.pairs.tie, rule=ties.rule, theta=model.head.theta)
    clear = ~batch.pairs.tie
    return float(batch.pairs.mean(losses)) * batch.pairs.rankings, int((delta[clear] > 0).sum()), int(clear.sum())
