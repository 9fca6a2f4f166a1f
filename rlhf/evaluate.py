"""A policy measured against its anchor, its references and its sources; every figure with its interval.

Two decodings: greedy for what is compared with references and sources, sampled for what is a
property of the policy's distribution (reward, KL, toxicity, length, variety). The unit of every
interval is a prompt. What cannot be measured (no reward model, no references) is absent, not 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlhf.config import SamplingConfig, require
from rlhf.evaluation_config import EvaluateConfig
from rlhf.evaluation_figures import Figures, Texts
from rlhf.exceptions import Cancelled, DataError
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.predictions import score_predictions
from rlhf.reward import Reward
from rlhf.reward_model import RewardScorer
from rlhf.rewards import load_reward, reward_record
from rlhf.toxicity import Toxicity, choose_backend
from rlhf.types import Completion, Interval, Prompt, Reporter, Silent

__all__ = ["EvaluateConfig", "EvaluationResult", "evaluate", "evaluate_policy", "score_predictions"]


@dataclass(frozen=True)
class EvaluationResult:
    """``metrics`` by name; ``decoding`` says in words how each kind of figure came about.

    ``samples``: prompt_id, prompt, reference, references, text (greedy), finished, reward, sampled, sampled_reward.
    ``reward_table``: prompt_id, prompt, before, after, reward_before, reward_after.
    ``counts``: prompts, too_long, evaluated, with_references, references_too_long, samples, unfinished,
    unfinished_greedy, empty.
    """

    metrics: Mapping[str, Interval]
    samples: list[dict[str, Any]]
    reward_table: list[dict[str, Any]]
    counts: Mapping[str, int]
    decoding: Mapping[str, str]
    config: EvaluateConfig = field(default_factory=EvaluateConfig)
    reward_source: Mapping[str, Any] = field(default_factory=dict)  # what the reward is made of, with its hash

    def to_mapping(self) -> dict[str, Any]:
        """Everything as JSON-ready data."""
        return asdict(self)


def evaluate(
    config: EvaluateConfig,
    anchor: Path,
    adapter: Path | None,
    reward: Path | None,
    prompts: Sequence[Prompt],
    *,
    seed: int,
    reporter: Reporter | None = None,
) -> EvaluationResult:
    """Measure the policy ``anchor`` + ``adapter`` (None: the anchor itself) on ``prompts``.

    Raises DataError when no prompt can be used, ModelError when a model or the toxicity backend
    cannot be had, ConfigError when the reward model reads less than is written, Cancelled when the
    reporter asks for it.
    """
    told = reporter or Silent()
    backend = None if config.toxicity == "none" else choose_backend(config.toxicity, told)
    try:
        scorer = None if reward is None else load_reward(reward, anchor, prompts=prompts, reporter=told)
        policy = Policy.load(
            anchor,
            adapter=adapter,
            max_prompt_tokens=_prompt_limit(config, scorer),
            max_completion_tokens=config.max_completion_tokens,
        )
        return evaluate_policy(config, policy, scorer, backend, prompts, seed=seed, reporter=told)
    finally:
        if backend is not None:
            backend.close()


def evaluate_policy(
    config: EvaluateConfig,
    policy: Policy,
    scorer: RewardScorer | None,
    backend: Toxicity | None,
    prompts: Sequence[Prompt],
    *,
    seed: int,
    reporter: Reporter | None = None,
) -> EvaluationResult:
    """The same for a policy in memory; one without an adapter is its own anchor."""
    told = reporter or Silent()
    kept = _fitting(policy, prompts, told)
    texts = _decode(config, policy, kept, seed, told)
    figures = Figures(texts, seed=seed, resamples=config.resamples)
    for name, measure in _measures(config, figures, policy, scorer, backend, told).items():
        phase = _Phase(told, name, len(kept))
        phase.done(0)
        measure()
        phase.done(len(kept))
    if unread := figures.references_too_long:
        told.event(
            "warning", f"{unread} references exceed {policy.max_completion_tokens} tokens: no perplexity of them."
        )
    rows = _chosen(len(kept), config.shown, seed)
    return EvaluationResult(
        metrics=figures.metrics,
        samples=[figures.sample(row) for row in rows],
        reward_table=[] if scorer is None else [figures.reward_row(row) for row in rows],
        counts=_counts(len(prompts), texts) | {"references_too_long": figures.references_too_long},
        decoding=_decoding(config, backend, figures.metrics),
        config=config,
        reward_source=reward_record(scorer),
    )


def _measures(
    config: EvaluateConfig,
    figures: Figures,
    policy: Policy,
    scorer: RewardScorer | None,
    backend: Toxicity | None,
    reporter: Reporter,
) -> dict[str, Callable[[], None]]:
    """What can be measured, by the name of its phase."""
    count = len(figures.texts.prompts)

    def tell(name: str) -> Callable[[int], None]:
        return _Phase(reporter, name, count).done

    measures: dict[str, Callable[[], None]] = {"rouge": figures.add_rouge, "texts": figures.add_behaviour}
    if any(prompt.references for prompt in figures.texts.prompts):
        measures["perplexity"] = lambda: figures.add_perplexity(policy, config, tell("perplexity"))
        if config.simulator == "references":
            measures["simulated"] = figures.add_simulated
    if backend is not None:
        measures["toxicity"] = lambda: figures.add_toxicity(backend)
    if scorer is not None:
        measures["reward"] = lambda: figures.add_rewards(scorer, config, tell("reward"))
    measures["kl"] = lambda: figures.add_kl(policy, config, tell("kl"))
    return measures


def _prompt_limit(config: EvaluateConfig, scorer: Reward | None) -> int:
    """The shorter of the two limits, so that all figures are of the same prompts."""
    limits = None if scorer is None else scorer.limits
    if limits is None:
        return config.max_prompt_tokens
    require(
        config.max_new_tokens < limits.completion,
        f"max_new_tokens is {config.max_new_tokens}, but the reward model reads completions below "
        f"{limits.completion} tokens",
    )
    return min(config.max_prompt_tokens, limits.prompt)


def _fitting(policy: Policy, prompts: Sequence[Prompt], reporter: Reporter) -> list[Prompt]:
    """The prompts within the limit; one event counts the others."""
    kept = [prompt for prompt in prompts if policy.prompt_length(prompt.text) <= policy.max_prompt_tokens]
    skipped, limit = len(prompts) - len(kept), policy.max_prompt_tokens
    if skipped:
        reporter.event("warning", f"{skipped} of {len(prompts)} prompts exceed {limit} tokens and are left out.")
    if not kept:
        raise DataError(f"None of {len(prompts)} prompts can be evaluated; each may have at most {limit} tokens.")
    return kept


def _decode(config: EvaluateConfig, policy: Policy, kept: list[Prompt], seed: int, reporter: Reporter) -> Texts:
    def texts(phase: str, n: int, sampling: SamplingConfig, *, reference: bool = False) -> list[list[Completion]]:
        told = _Phase(reporter, phase, n * len(kept))
        return generate(
            policy, kept, n, sampling, seed=seed, batch_size=config.batch_size, reporter=told, reference=reference
        ).completions

    n, sampling = config.samples_per_prompt, config.sampling()
    greedy = [group[0] for group in texts("greedy", 1, config.greedy())]
    sampled = texts("samples", n, sampling)
    if not policy.has_adapter:
        return Texts(kept, greedy, sampled, None)
    # With the same random numbers the two differ only where the policies do: a paired comparison.
    return Texts(kept, greedy, sampled, texts("anchor", n, sampling, reference=True))


def _chosen(count: int, shown: int, seed: int) -> list[int]:
    """Which prompts are shown: a seeded choice, so that nobody picks the nice ones and all versions show the same."""
    return sorted(np.random.default_rng(seed).permutation(count)[:shown].tolist())


def _counts(given: int, texts: Texts) -> dict[str, int]:
    flat = [one for group in texts.sampled for one in group]
    return {
        "prompts": given,
        "too_long": given - len(texts.prompts),
        "evaluated": len(texts.prompts),
        "with_references": sum(bool(prompt.references) for prompt in texts.prompts),
        "samples": len(flat),
        "unfinished": sum(not one.finished for one in flat),
        "unfinished_greedy": sum(not one.finished for one in texts.greedy),
        "empty": sum(not one.text.strip() for one in flat),
    }


def _decoding(config: EvaluateConfig, backend: Toxicity | None, metrics: Mapping[str, Interval]) -> dict[str, str]:
    limit = f"at most {config.max_new_tokens} new tokens"
    filters = [f"top-p {config.top_p}"] * (config.top_p < 1) + [f"top-k {config.top_k}"] * (config.top_k > 0)
    sampled = ", ".join([f"{config.samples_per_prompt} a prompt at temperature {config.temperature}", *filters, limit])
    said = {"rouge": f"greedy, {limit}", "reward": f"sampled, {sampled}"}
    if "reference_perplexity" in metrics:
        said["perplexity"] = "exp of the mean −log p of a reference’s token, the end of sequence among them"
    return said if backend is None else said | {"toxicity": f"{backend.name} ({backend.version}) on the samples"}


class _Phase:
    """A reporter for one phase: progress under the phase's own name, and a stop where one is asked for."""

    def __init__(self, reporter: Reporter, name: str, total: int) -> None:
        self._reporter, self._name, self._total = reporter, name, total

    def done(self, count: int) -> None:
        """Tell how far it is. Raises Cancelled."""
        if self._reporter.cancelled():
            raise Cancelled(f"the evaluation was stopped in its phase {self._name}")
        self._reporter.progress(count, self._total, self._name)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._reporter.metrics(step, values)

    def progress(self, done: int, total: int, phase: str) -> None:
        self._reporter.progress(done, total, self._name)

    def event(self, kind: str, message: str, **data: object) -> None:
        self._reporter.event(kind, message, **data)

    def cancelled(self) -> bool:
        return self._reporter.cancelled()
