"""The fit of one member of a reward model: all pairs of a ranking as one element, early stop on validation log-loss."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlhf.exceptions import Cancelled
from rlhf.losses import inverse_softplus, preference_losses, reward_loss, tie_threshold
from rlhf.models import Policy
from rlhf.preferences import PreferenceBatch, preference_batch, shuffled_batches
from rlhf.reward_model import RewardHead, RewardModel
from rlhf.training_config import RewardConfig, TieRule
from rlhf.types import Ranking, Reporter


@dataclass(frozen=True)
class TieSettings:
    """How ties are learnt, and their share, which θ starts from."""

    rule: TieRule
    share: float


class Progress:
    """Steps of all members as one bar and one axis of the curves."""

    def __init__(self, total: int, reporter: Reporter) -> None:
        self.reporter = reporter
        self.step = 0
        self._total = total

    def advance(self, values: dict[str, float]) -> None:
        """One step done; raises Cancelled when the reporter asks for it."""
        self.step += 1
        self.reporter.metrics(self.step, values)
        self.reporter.progress(self.step, self._total, "Training the reward model")
        if self.reporter.cancelled():
            raise Cancelled("The training of the reward model was cancelled.")

    def skip_to(self, step: int) -> None:
        """After an early stop the bar goes on where the next member begins."""
        self.step = step


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
    progress: Progress,
) -> RewardModel:
    """Train ``policy`` (the anchor, changed in place) and a new head; the weights with the best log-loss stay."""
    # 1. Body, head and optimiser.
    _prepare(config, policy, seed)
    generator = torch.Generator().manual_seed(seed)
    theta = inverse_softplus(tie_threshold(min(max(ties.share, 0.01), 0.9)))
    model = RewardModel(policy, RewardHead(policy.hidden_size, theta=theta, generator=generator))
    body, head = policy.parameters_trainable(), list(model.head.parameters())
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": config.learning_rate}, {"params": head, "lr": config.head_learning_rate}],
        weight_decay=config.weight_decay,
    )
    total, begin = steps_of(config, len(rankings)), progress.step
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: 1 - done / total)
    every = max(1, total // (config.epochs * config.evaluations))
    stopper = _EarlyStop(config, [*body, *head])

    # 2. Steps, with a validation now and then.
    for step, rows in enumerate(_batches(config, len(rankings), generator), start=1):
        batch = preference_batch(policy, [rankings[row] for row in rows], margins=config.strength_margin)
        scores = _scores(model, batch)
        loss = reward_loss(
            scores,
            batch.pairs,
            rule=ties.rule,
            theta=model.head.theta,
            smoothing=config.label_smoothing,
            centering=config.centering,
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([*body, *head], config.max_gradient_norm)
        optimiser.step()
        schedule.step()
        values = {"loss": float(loss.detach()), "accuracy": _accuracy(scores.detach(), batch)}
        if len(validation) >= config.least_validation and (step % every == 0 or step == total):
            values |= validate(config, model, ties, validation)
            stopper.see(values["validation_loss"])
        progress.advance({name: value for name, value in values.items() if not math.isnan(value)})
        if stopper.exhausted:
            break

    # 3. The best weights.
    stopper.restore()
    progress.skip_to(begin + total)
    return model


def _prepare(config: RewardConfig, policy: Policy, seed: int) -> None:
    if config.adaptation == "lora":
        policy.add_lora(config.lora, seed=seed)
        return
    # Adam's steps on all weights are below bf16's resolution.
    policy.model.float()
    policy.model.requires_grad_(requires_grad=True)


def _batches(config: RewardConfig, count: int, generator: torch.Generator) -> Iterator[list[int]]:
    for _epoch in range(config.epochs):
        yield from shuffled_batches(count, config.batch_rankings, generator)


def _scores(model: RewardModel, batch: PreferenceBatch) -> Tensor:
    return model.score_tokens(model.policy.read_prompts(batch.prompts), batch.owner, batch.completions)


def _accuracy(scores: Tensor, batch: PreferenceBatch) -> float:
    """Share of decided pairs in the right order; NaN without decided pairs."""
    return float((batch.pairs.delta(scores)[~batch.pairs.tie] > 0).float().mean())


@torch.no_grad()
def validate(
    config: RewardConfig, model: RewardModel, ties: TieSettings, rankings: Sequence[Ranking]
) -> dict[str, float]:
    """Log-loss (of all pairs, ties by their rule, no smoothing or margin) and accuracy on ``rankings``."""
    loss, right, decided = 0.0, 0.0, 0
    for start in range(0, len(rankings), config.batch_rankings):
        batch = preference_batch(model.policy, rankings[start : start + config.batch_rankings])
        scores = _scores(model, batch)
        losses = preference_losses(batch.pairs.delta(scores), batch.pairs.tie, rule=ties.rule, theta=model.head.theta)
        loss += float(batch.pairs.mean(losses)) * batch.pairs.rankings
        right += float((batch.pairs.delta(scores)[~batch.pairs.tie] > 0).sum())
        decided += int((~batch.pairs.tie).sum())
    return {
        "validation_loss": loss / len(rankings),
        "validation_accuracy": right / decided if decided else math.nan,
    }


class _EarlyStop:
    """Keeps a copy of the weights with the lowest validation loss."""

    def __init__(self, config: RewardConfig, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        self._patience = config.patience
        self._lowest = math.inf
        self._waited = 0
        self._weights: list[Tensor] | None = None

    @property
    def exhausted(self) -> bool:
        """True when the loss has not fallen for ``patience`` validations."""
        return self._waited >= self._patience

    def see(self, loss: float) -> None:
        """One validation."""
        if loss < self._lowest:
            self._lowest, self._waited = loss, 0
            self._weights = [parameter.detach().clone() for parameter in self._parameters]
        else:
            self._waited += 1

    @torch.no_grad()
    def restore(self) -> None:
        """Put the best weights back; without any validation the last ones stay."""
        for parameter, kept in zip(self._parameters, self._weights or [], strict=self._weights is not None):
            parameter.copy_(kept)
