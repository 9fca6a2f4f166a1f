"""Direct preference optimisation (Rafailov et al. 2023) on rankings, for seq2seq and causal policies.

All pairs of a ranking are one element of a batch and its prompt is read once. The reference policy is the policy with
its adapter off; its log-probabilities are computed once. Held-out samples watch the KL that DPO does not control.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from rlhf.checkpoints import describe
from rlhf.config import to_mapping
from rlhf.exceptions import Cancelled, DataError
from rlhf.held_out import HeldOut, Keeper, fitting_prompts
from rlhf.losses import dpo_losses, inverse_softplus, tie_threshold
from rlhf.models import Policy
from rlhf.preferences import PreferenceBatch, default_tie_rule, fitting, preference_batch, shuffled_batches, tie_share
from rlhf.reward_model import RewardScorer, load_reward_model
from rlhf.stop_rules import Stop, StopRules
from rlhf.tensors import gather_log_probabilities
from rlhf.training_config import DPOConfig, TieRule
from rlhf.types import Artifact, Prompt, Ranking, Reporter

__all__ = ["DPOConfig", "train_dpo"]

MISSING_EOS_REWARD = -1.0  # of held-out samples, as in PPO; they are measured, never trained on


@dataclass(frozen=True)
class _Losses:
    """One batch of rankings: the loss with its gradient, and what the curves show."""

    total: Tensor
    accuracy: float
    chosen: float
    rejected: float
    margin: float


def train_dpo(
    config: DPOConfig,
    anchor: Path,
    rankings: Sequence[Ranking],
    out: Path,
    *,
    seed: int,
    reporter: Reporter,
    reward: Path | RewardScorer | None = None,
    held_out: Sequence[Prompt] = (),
) -> Artifact:
    """Train a fresh adapter on ``anchor`` with the rankings of split ``train``; the best checkpoint goes to ``out``.

    ``held_out`` prompts are sampled for KL and, where ``reward`` is given, reward; without any, those of the
    validation rankings are. Raises Cancelled, DataError without training rankings, and the errors of loading a model.
    The same seed on one CPU thread gives the same artifact hash; another number of threads may not.
    """
    # 1. Policy, data, reference log-probabilities.
    torch.manual_seed(seed)
    policy = Policy.load(
        anchor,
        max_prompt_tokens=config.max_prompt_tokens,
        max_completion_tokens=max(config.max_completion_tokens, config.max_new_tokens),
    )
    kept, too_long = fitting(policy, [ranking for ranking in rankings if ranking.split != "test"], reporter)
    train = [ranking for ranking in kept if ranking.split == "train"]
    validation = [ranking for ranking in kept if ranking.split == "validation"]
    if not train:
        raise DataError(f"None of the {len(rankings)} rankings can be trained on: {too_long} are too long.")
    policy.add_lora(config.lora, seed=seed)
    scorer = load_reward_model(reward, anchor, batch=config.batch_size) if isinstance(reward, Path) else reward
    references = reference_log_probabilities(config, policy, train)

    # 2. Held-out measurements, the best adapter so far, optimiser.
    prompts = held_out or [Prompt(ranking.prompt_id, ranking.prompt) for ranking in _one_each(validation or train)]
    held = HeldOut(
        policy=policy,
        scorer=scorer,
        prompts=fitting_prompts(policy, prompts, reporter),
        sampling=config.sampling,
        samples=config.held_out_samples,
        missing_eos=MISSING_EOS_REWARD,
        batch_size=config.batch_size,
        seed=seed,
        reporter=reporter,
    )
    start = held.measure(0) if scorer else replace(held.measure(0), reward=-math.inf)
    rules, keeper = StopRules(config.limits, start), Keeper(policy, config.limits, start)
    share = tie_share(train)
    ties = _Ties(config, share, policy.device)
    optimiser = torch.optim.AdamW(
        [*policy.parameters_trainable(), *ties.parameters], lr=config.learning_rate, weight_decay=config.weight_decay
    )
    total = config.epochs * math.ceil(len(train) / config.batch_rankings)
    every = max(1, total // (config.epochs * config.evaluations))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: 1 - done / total)
    generator = torch.Generator().manual_seed(seed)
    order = [
        rows for _ in range(config.epochs) for rows in shuffled_batches(len(train), config.batch_rankings, generator)
    ]

    # 3. Steps and measurements, until the end or a stop rule.
    stops: list[Stop] = []
    for step, rows in enumerate(order, start=1):
        if reporter.cancelled():
            raise Cancelled("The DPO training was cancelled.")
        batch = preference_batch(policy, [train[row] for row in rows])
        losses = batch_losses(config, policy, ties, batch, torch.cat([references[row] for row in rows]))
        if not torch.isfinite(losses.total):
            stops = [Stop("nan", "The loss is not a number.")]
            break
        optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        nn.utils.clip_grad_norm_(policy.parameters_trainable(), config.max_gradient_norm)
        optimiser.step()
        schedule.step()
        values = {
            "loss": float(losses.total.detach()),
            "accuracy": losses.accuracy,
            "chosen_logp": losses.chosen,
            "rejected_logp": losses.rejected,
            "margin": losses.margin,
        }
        if step % every == 0 or step == total:
            now = held.measure(step)
            if scorer is None:
                now = replace(now, reward=_validation_reward(config, policy, ties, validation, step))
            keeper.see(now)
            stops = rules.check(now)
            values |= {"kl": now.kl, "held_out_reward": now.reward, "length": now.length}
        reporter.metrics(step, {name: value for name, value in values.items() if not math.isnan(value)})
        reporter.progress(step, total, "DPO")
        if stops:
            break

    # 4. Report why it ended, put the best checkpoint back, measure it on fresh samples and save it.
    for stop in stops:
        reporter.event("stop-rule", stop.message, rule=stop.rule, step=step)
    best = keeper.restore()
    reporter.event("log", f"Kept the checkpoint of step {best.step}: held-out KL {best.kl:.2f} nats.")
    facts = held.facts() | {
        "best_step": best.step,
        "steps": step,
        "stopped_by": [stop.rule for stop in stops],
        "reward_before": start.reward if scorer else None,
        "train_rankings": len(train),
        "too_long": too_long,
        "tie_rule": ties.rule,
        "config": to_mapping(config),
    }
    policy.save_adapter(out)
    return describe(out, policy, facts)


class _Ties:
    """The rule for ties and, for Rao–Kupper, its learnt threshold θ = softplus(t)."""

    def __init__(self, config: DPOConfig, share: float, device: torch.device) -> None:
        automatic = default_tie_rule(share) if config.form == "sigmoid" else "soft"
        self.rule: TieRule = automatic if config.ties == "auto" else config.ties
        start = inverse_softplus(tie_threshold(min(max(share, 0.01), 0.9)))
        self._raw = nn.Parameter(torch.tensor(start, device=device))

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [self._raw] if self.rule == "rao-kupper" else []

    @property
    def theta(self) -> Tensor:
        return nn.functional.softplus(self._raw)


@torch.no_grad()
def reference_log_probabilities(config: DPOConfig, policy: Policy, rankings: Sequence[Ranking]) -> list[Tensor]:
    """log π_ref of each completion, one [K] for each ranking, by the policy with its adapter off."""
    found: list[Tensor] = []
    with policy.reference():
        for start in range(0, len(rankings), config.batch_rankings):
            chunk = rankings[start : start + config.batch_rankings]
            sums = sequence_log_probabilities(policy, preference_batch(policy, chunk))
            found += sums.split([len(ranking.completions) for ranking in chunk])
    return found


def sequence_log_probabilities(policy: Policy, batch: PreferenceBatch) -> Tensor:
    """log π(y|x) [B], summed over the tokens, EOS counted."""
    decoded = policy.read_completions(policy.read_prompts(batch.prompts), batch.owner, batch.completions)
    tokens = gather_log_probabilities(decoded.logits, batch.completions.ids)
    return (tokens * batch.completions.mask).sum(dim=1)


def batch_losses(config: DPOConfig, policy: Policy, ties: _Ties, batch: PreferenceBatch, reference: Tensor) -> _Losses:
    """DPO loss of one batch of rankings; ``reference`` [B] is log π_ref of its completions."""
    log_probabilities = sequence_log_probabilities(policy, batch)
    ratios, pairs = log_probabilities - reference, batch.pairs
    losses = dpo_losses(
        ratios,
        batch.completions.lengths,
        pairs,
        beta=config.beta,
        form=config.form,
        rule=ties.rule,
        theta=ties.theta,
        smoothing=config.label_smoothing,
    )
    total = pairs.mean(losses)
    decided = ~pairs.tie
    chosen, rejected = pairs.better[decided], pairs.worse[decided]
    if config.sft_coefficient and len(chosen):
        best = chosen.unique()
        total = total - config.sft_coefficient * log_probabilities[best].sum() / batch.completions.lengths[best].sum()
    seen, shown = log_probabilities.detach(), ratios.detach()
    margin = config.beta * (shown[chosen] - shown[rejected])
    return _Losses(
        total=total,
        accuracy=float((margin > 0).float().mean()),
        chosen=float(seen[chosen].mean()),
        rejected=float(seen[rejected].mean()),
        margin=float(margin.mean()),
    )


@torch.no_grad()
def _validation_reward(config: DPOConfig, policy: Policy, ties: _Ties, rankings: Sequence[Ranking], step: int) -> float:
    """Minus the validation loss, to choose a checkpoint by where no reward model is; the step without validation."""
    if not rankings:
        return float(step)
    references = reference_log_probabilities(config, policy, rankings)
    loss = 0.0
    for start in range(0, len(rankings), config.batch_rankings):
        batch = preference_batch(policy, rankings[start : start + config.batch_rankings])
        reference = torch.cat(references[start : start + config.batch_rankings])
        loss += float(batch_losses(config, policy, ties, batch, reference).total) * batch.pairs.rankings
    return -loss / len(rankings)


def _one_each(rankings: Sequence[Ranking]) -> list[Ranking]:
    """The first ranking of each prompt."""
    return list({ranking.prompt_id: ranking for ranking in reversed(rankings)}.values())
