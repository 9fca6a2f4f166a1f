"""The fit of one member of a reward model: all pairs of a ranking as one element, early stop on validation log-loss."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlhf.losses import inverse_softplus, preference_losses, reward_loss, tie_threshold
from rlhf.models import Policy
from rlhf.preferences import PreferenceBatch, preference_batch
from rlhf.reward_model import RewardHead, RewardModel
from rlhf.training import LoopConfig, Task, train
from rlhf.training_config import RewardConfig, TieRule
from rlhf.types import Ranking, Reporter


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
) -> RewardModel:
    """Train ``policy`` (the anchor, changed in place) and a new head; the weights with the best log-loss stay.

    Raises Cancelled within one step.
    """
    # 1. Body and head.
    _prepare(config, policy, seed)
    generator = torch.Generator().manual_seed(seed)
    scalar = RewardHead(policy.hidden_size, theta=ties.start, likelihood=config.likelihood, generator=generator)
    model = RewardModel(policy, scalar)
    body, head = policy.parameters_trainable(), list(model.head.parameters())

    # 2. One ranking is one example of weight 1.
    def loss(rows: list[int]) -> tuple[Tensor, Mapping[str, float]]:
        batch = preference_batch(policy, [rankings[row] for row in rows], margins=config.strength_margin)
        scores = _scores(model, batch)
        mean = reward_loss(
            scores,
            batch.pairs,
            rule=ties.rule,
            theta=model.head.theta,
            smoothing=config.label_smoothing,
            centering=config.centering,
        )
        return mean * len(rows), {"accuracy": _accuracy(scores.detach(), batch) * len(rows)}

    early_stop = len(validation) >= config.least_validation
    task = Task(
        name="Reward model",
        parameters=[*body, *head],
        rates=[config.learning_rate] * len(body) + [config.head_learning_rate] * len(head),
        weights=[1.0] * len(rankings),
        lengths=[policy.prompt_length(ranking.prompt) for ranking in rankings],
        loss=loss,
        validate=(lambda: validate(config, model, ties, validation)) if early_stop else None,
    )

    # 3. The product's one loop; it stops early and keeps the best weights.
    loop = LoopConfig(
        epochs=config.epochs,
        batch_size=config.batch_rankings,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        max_gradient_norm=config.max_gradient_norm,
        evaluate_every=max(1, steps_of(config, len(rankings)) // (config.epochs * config.evaluations)),
        patience=config.patience if early_stop else 0,
    )
    train(loop, task, seed=seed, reporter=reporter)
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


def _accuracy(scores: Tensor, batch: PreferenceBatch) -> float:
    """Share of decided pairs in the right order; ½ where all are ties."""
    right = batch.pairs.delta(scores)[~batch.pairs.tie] > 0
    return float(right.float().mean()) if len(right) else 0.5


@torch.no_grad()
def validate(
    config: RewardConfig, model: RewardModel, ties: TieSettings, rankings: Sequence[Ranking]
) -> dict[str, float]:
    """Log-loss (of all pairs, ties by their rule, no smoothing or margin) and accuracy on ``rankings``."""
    loss, right, decided = 0.0, 0.0, 0
    for start in range(0, len(rankings), config.batch_rankings):
        batch = preference_batch(model.policy, rankings[start : start + config.batch_rankings])
        delta = batch.pairs.delta(_scores(model, batch))
        losses = preference_losses(delta, batch.pairs.tie, rule=ties.rule, theta=model.head.theta)
        loss += float(batch.pairs.mean(losses)) * batch.pairs.rankings
        right += float((delta[~batch.pairs.tie] > 0).sum())
        decided += int((~batch.pairs.tie).sum())
    return {"validation_loss": loss / len(rankings), "validation_accuracy": right / max(decided, 1)}
