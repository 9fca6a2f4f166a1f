"""Direct preference optimisation (Rafailov et al. 2023) on rankings, for seq2seq and causal policies.

All pairs of a ranking are one element of a batch and its prompt is read once. The reference policy is the policy with
its adapter off; its log-probabilities are computed once. Held-out samples watch the KL that DPO does not control.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rlhf import loading, parallel
from rlhf.artifacts import save_artifact
from rlhf.checkpoints import checkpoints_of, remove_checkpoints
from rlhf.config import to_mapping
from rlhf.examples import Examples
from rlhf.exceptions import DataError
from rlhf.hashing import artifact_hash, fingerprint
from rlhf.held_out import HeldOut, Keeper, fitting_prompts
from rlhf.losses import dpo_losses, inverse_softplus, tie_threshold
from rlhf.models import Policy
from rlhf.preferences import PreferenceBatch, default_tie_rule, fitting, preference_batch, tie_share
from rlhf.reading import read_tokens
from rlhf.reporting import Quiet
from rlhf.reward_labels import split_sides
from rlhf.reward_model import RewardScorer
from rlhf.rewards import load_reward, reward_record
from rlhf.stop_rules import Measurement, Stop, StopRules
from rlhf.training import loop_config, train
from rlhf.training_config import DPOConfig, TieRule
from rlhf.types import Artifact, Prompt, Ranking, Reporter
from rlhf.updates import Metrics, Sums

__all__ = ["DPOConfig", "train_dpo"]

_ROUNDING = 1e-6  # nats: before the first update every margin is 0, and rounding no opinion
MISSING_EOS_REWARD = -1.0  # of held-out samples, as in PPO; they are measured, never trained on


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
    reporter = parallel.reporter_of(reporter)
    limit = max(config.max_completion_tokens, config.max_new_tokens)
    policy = Policy.load(anchor, max_prompt_tokens=config.max_prompt_tokens, max_completion_tokens=limit)
    given = split_sides(rankings)
    kept, too_long = fitting(policy, given["train"] + given["validation"], reporter)
    sides = {side: [ranking for ranking in kept if ranking.split == side] for side in ("train", "validation")}
    examples = sides["train"]
    if not examples:
        raise DataError(
            f"None of the {len(rankings)} rankings can be trained on: {len(given['train'])} are on the side train, and "
            f"{too_long} of train and validation are too long."
        )
    policy.add_lora(config.lora, seed=seed)
    references = reference_log_probabilities(config, policy, examples)
    ties = Ties(config, tie_share(examples), policy.device)

    # 2. Held-out measurements, stop rules, the best adapter so far.
    prompts = list(held_out) or _prompts_of(sides["validation"] or examples)
    scorer = (
        load_reward(reward, anchor, prompts=prompts, batch=config.batch_size, reporter=reporter)
        if isinstance(reward, Path)
        else reward
    )
    held = HeldOut(
        policy=policy,
        scorer=scorer,
        prompts=fitting_prompts(policy, prompts, reporter),
        sampling=config.sampling,
        samples=config.held_out_samples,
        missing_eos=MISSING_EOS_REWARD,
        batch_size=config.batch_size,
        seed=seed,
        reporter=Quiet(reporter),
    )
    watch = _Watch(config, held, ties, sides["validation"])

    # 3. The product's one loop: a ranking is one example, held-out samples are its validation.
    def loss(rows: list[int]) -> tuple[Tensor, Sums]:
        batch = preference_batch(policy, [examples[row] for row in rows])
        mean, figures = batch_loss(config, policy, ties, batch, torch.cat([references[row] for row in rows]))
        return mean * len(rows), figures

    rates = policy.learning_rates(rate=config.learning_rate, saved_rate=config.saved_learning_rate)
    rates += [(parameter, config.learning_rate) for parameter in ties.parameters]
    task = Examples(
        name="DPO",
        parameters=[parameter for parameter, _rate in rates],
        rates=[rate for _parameter, rate in rates],
        weights=[1.0] * len(examples),
        lengths=[policy.prompt_length(ranking.prompt) for ranking in examples],
        loss=loss,
        batch_size=config.batch_rankings,
        epochs=config.epochs,
        seed=seed,
        data=fingerprint(anchor, examples),
        measure=watch.measure,
        rules=watch.stop,
        keep=watch,
    )
    loop = loop_config(config, evaluate_every=max(1, task.steps_an_epoch // config.evaluations))
    outcome = train(loop, task, seed=seed, reporter=reporter, checkpoint=checkpoints_of(out))

    # 4. The best checkpoint back, measured on fresh samples and saved.
    best = watch.keeper.put_back()
    reporter.event("log", f"Kept the checkpoint of step {best.step}: held-out KL {best.kl:.2f} nats a sequence.")
    facts = held.facts() | {
        "best_step": best.step,
        "steps": outcome.steps,
        "stopped_by": [stop.rule for stop in outcome.stops],
        "reward_before": None if scorer is None else watch.start.reward,
        "train_rankings": len(examples),
        "too_long": too_long,
        "tie_rule": ties.rule,
        "reward_source": reward_record(scorer),
        "config": to_mapping(config),
        "anchor_sha256": artifact_hash(loading.found(anchor)),
    }
    artifact = save_artifact(out, policy, policy.save_adapter, facts)
    remove_checkpoints(checkpoints_of(out))
    return artifact


class Ties:
    """The rule for ties and, for Rao–Kupper, its learnt threshold θ = softplus(t)."""

    def __init__(self, config: DPOConfig, share: float, device: torch.device) -> None:
        automatic = default_tie_rule(share) if config.form == "sigmoid" else "soft"
        self.rule: TieRule = automatic if config.ties == "auto" else config.ties
        start = inverse_softplus(tie_threshold(min(max(share, 0.01), 0.9)))
        self._raw = nn.Parameter(torch.tensor(start, device=device))

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser learns of the rule."""
        return [self._raw] if self.rule == "rao-kupper" else []

    @property
    def theta(self) -> Tensor:
        """The threshold, > 0."""
        return nn.functional.softplus(self._raw)


class _Watch:
    """The loop's validation: measures held-out samples, keeps the best adapter, and says when to stop."""

    def __init__(self, config: DPOConfig, held: HeldOut, ties: Ties, validation: Sequence[Ranking]) -> None:
        self._config, self._held, self._ties, self._validation = config, held, ties, validation
        with torch.no_grad():
            self._references = reference_log_probabilities(config, held.policy, validation)
        self.start = self._measure(0)
        self.keeper = Keeper(held.policy, config.limits, self.start)
        self._rules = StopRules(config.limits, self.start)
        self._now = self.start

    def measure(self, step: int) -> Metrics:
        """Figures of the present weights."""
        self._now = self._measure(step)
        self.keeper.see(self._now)
        values = {"kl": self._now.kl, "length": self._now.length}
        return values | ({} if self._held.scorer is None else {"held_out_reward": self._now.reward})

    def stop(self, step: int, _values: Metrics) -> Sequence[Stop]:
        """The rules that fire at ``step``, if it was measured."""
        return self._rules.check(self._now) if self._now.step == step else ()

    def state(self) -> dict[str, object]:
        """What was measured, and the best adapter."""
        return {"rules": self._rules.state(), "keeper": self.keeper.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._rules.restore(state["rules"])
        self.keeper.restore(state["keeper"])

    def _measure(self, step: int) -> Measurement:
        """Without a reward model the checkpoint is chosen by the validation rankings' loss."""
        now = self._held.measure(step)
        return now if self._held.scorer is not None else replace(now, reward=self._validation_reward(step))

    @torch.no_grad()
    def _validation_reward(self, step: int) -> float:
        """Minus the validation loss; without validation rankings the later checkpoint is the better one."""
        rankings, size = self._validation, self._config.batch_rankings
        if not rankings:
            return float(step)

        def losses(starts: Sequence[int]) -> list[float]:
            return [self._summed_loss(start, start + size) for start in starts]

        return -sum(parallel.spread(losses, range(0, len(rankings), size))) / len(rankings)

    def _summed_loss(self, start: int, end: int) -> float:
        batch = preference_batch(self._held.policy, self._validation[start:end])
        reference = torch.cat(self._references[start:end])
        mean, _figures = batch_loss(self._config, self._held.policy, self._ties, batch, reference)
        return float(mean) * batch.pairs.rankings


@torch.no_grad()
def reference_log_probabilities(config: DPOConfig, policy: Policy, rankings: Sequence[Ranking]) -> list[Tensor]:
    """log π_ref of each completion, one [K] for each ranking, by the policy with its adapter off."""
    size = config.batch_rankings
    batches = [rankings[start : start + size] for start in range(0, len(rankings), size)]

    def read(own: Sequence[Sequence[Ranking]]) -> list[list[Tensor]]:
        found = []
        for batch in own:
            sums = sequence_log_probabilities(policy, preference_batch(policy, batch))
            found.append(list(torch.split(sums, [len(ranking.completions) for ranking in batch])))
        return found

    with policy.reference():
        return [row for rows in parallel.spread(read, batches) for row in rows]


def sequence_log_probabilities(policy: Policy, batch: PreferenceBatch) -> Tensor:
    """log π(y|x) [B], summed over the tokens, EOS counted."""
    reading = read_tokens(policy, policy.read_prompts(batch.prompts), batch.owner, batch.completions)
    return reading.log_probabilities().sum(dim=1)


def batch_loss(
    config: DPOConfig, policy: Policy, ties: Ties, batch: PreferenceBatch, reference: Tensor
) -> tuple[Tensor, Sums]:
    """Mean DPO loss over the rankings, and the curves' figures as (sum, count); ``reference`` [B] is log π_ref."""
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
    mean = pairs.mean(losses)
    chosen, rejected = pairs.better[~pairs.tie], pairs.worse[~pairs.tie]
    if config.sft_coefficient:
        mean = mean - config.sft_coefficient * _best_likelihood(log_probabilities, batch, chosen, rejected)
    return mean, _figures(log_probabilities.detach(), ratios.detach() * config.beta, chosen, rejected)


def _best_likelihood(log_probabilities: Tensor, batch: PreferenceBatch, chosen: Tensor, rejected: Tensor) -> Tensor:
    """Mean log π of a token of each ranking's best group, averaged over the rankings; 0 for one that is all ties."""
    best = torch.zeros_like(log_probabilities)
    best[chosen] = 1.0
    best[rejected] = 0.0  # better than some, but not the best
    sums = log_probabilities.new_zeros(batch.pairs.rankings)
    tokens = sums.index_add(0, batch.owner, best * batch.completions.lengths)
    return (sums.index_add(0, batch.owner, best * log_probabilities) / tokens.clamp(min=1)).mean()


def _figures(log_probabilities: Tensor, rewards: Tensor, chosen: Tensor, rejected: Tensor) -> Sums:
    """(sum, count) over the decided pairs."""
    margin = rewards[chosen] - rewards[rejected]
    figures = {
        "accuracy": (margin > _ROUNDING).float(),
        "chosen_logp": log_probabilities[chosen],
        "rejected_logp": log_probabilities[rejected],
        "margin": margin,
    }
    return {name: (float(values.sum()), len(chosen)) for name, values in figures.items()}


def _prompts_of(rankings: Sequence[Ranking]) -> list[Prompt]:
    """The prompts of ``rankings``, each once."""
    return [Prompt(name, text) for name, text in {r.prompt_id: r.prompt for r in rankings}.items()]
