"""The figures of an evaluation, from texts that were decoded already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlhf import text_metrics
from rlhf.evaluation_config import EvaluateConfig
from rlhf.evaluation_rewards import rate
from rlhf.models import Policy
from rlhf.perplexity import surprise
from rlhf.prediction_scores import toxicity_figures
from rlhf.reward_model import RewardScorer
from rlhf.rollout import Samples, sequence_kl, token_batch
from rlhf.rouge import rouge_table
from rlhf.simulate import reference_utility
from rlhf.statistics import bootstrap_mean, bootstrap_ratio, normal_interval, wilson
from rlhf.text_metrics import Found
from rlhf.toxicity import Toxicity
from rlhf.types import Completion, Interval, Prompt

Floats = NDArray[np.float64]
Tell = Callable[[int], None]  # told how many prompts are done; raises Cancelled
_LOGITS = 20_000_000  # rows · steps · vocabulary read at once for the KL (80 MB of float32, several times over)


@dataclass(frozen=True)
class Texts:
    """What was decoded: for each prompt one ``greedy`` completion, N ``sampled``, and N of the anchor's ``before``.

    ``before`` is None where the policy is the anchor.
    """

    prompts: list[Prompt]
    greedy: list[Completion]
    sampled: list[list[Completion]]
    before: list[list[Completion]] | None


class Figures:
    """Fills ``metrics``, one method for each family; the unit of every interval is a prompt."""

    def __init__(self, texts: Texts, *, seed: int, resamples: int) -> None:
        self.metrics: dict[str, Interval] = {}
        self.texts = texts
        self._seed, self._resamples = seed, resamples
        self._rewards: list[list[float]] = []
        self._rewards_before: list[list[float]] = []
        self._scorer: RewardScorer | None = None
        self._missing_eos = 0.0
        self.references_too_long = 0

    def add_rouge(self) -> None:
        """ROUGE of the greedy texts on prompts with references: their mean, and as ``…_best`` the best of several."""
        rows = [
            (greedy.text, prompt.references)
            for prompt, greedy in zip(self.texts.prompts, self.texts.greedy, strict=True)
            if prompt.references
        ]
        if not rows:
            return
        several = any(len(references) > 1 for _, references in rows)
        for name, scores in rouge_table([text for text, _ in rows], [references for _, references in rows]).items():
            self._mean(name, [score.mean for score in scores])
            if several:
                self._mean(f"{name}_best", [score.best for score in scores])

    def add_behaviour(self) -> None:
        """Length, endings and variety of the samples; copying, names and numbers of the greedy texts."""
        sampled = self.texts.sampled
        self._mean("length", _means(sampled, lambda one: len(one.token_ids)))
        self._mean("words", _means(sampled, lambda one: len(text_metrics.words(one.text))))
        self._mean("eos_rate", _means(sampled, lambda one: one.finished))
        if self.texts.before is not None:
            self._mean("length_before", _means(self.texts.before, lambda one: len(one.token_ids)))
        for n in (1, 2):
            self._mean_share(f"distinct{n}", [text_metrics.distinct([one.text for one in row], n) for row in sampled])
        pairs = [(one.text, prompt.text) for prompt, one in zip(self.texts.prompts, self.texts.greedy, strict=True)]
        self._mean_share("copy_rate", [text_metrics.copied(*pair) for pair in pairs])
        self._ratio("names_found", [text_metrics.names_found(*pair) for pair in pairs])
        self._ratio("numbers_found", [text_metrics.numbers_found(*pair) for pair in pairs])

    def add_perplexity(self, policy: Policy, config: EvaluateConfig, tell: Tell) -> None:
        """Perplexity of the references under the policy and under its anchor."""
        self.references_too_long = self._perplexity("reference_perplexity", policy, config, tell)
        if policy.has_adapter:
            with policy.reference():
                self._perplexity("reference_perplexity_before", policy, config, tell)

    def add_simulated(self) -> None:
        """Utility of the samples to the simulated annotators, who hold them against the references."""
        kept = [row for row, prompt in enumerate(self.texts.prompts) if prompt.references]
        if not kept:
            return
        after = self._utilities(self.texts.sampled, kept)
        before = after if self.texts.before is None else self._utilities(self.texts.before, kept)
        self._compare("utility", after, before)
        self._wins("utility_win_rate", after, before)

    def add_toxicity(self, backend: Toxicity) -> None:
        """Mean, spread and share above one half of the samples' toxicity, and the mean of the anchor's."""
        found = _scored(backend, self.texts.sampled)
        figures = toxicity_figures([float(np.mean(row)) for row in found], self._seed, self._resamples)
        self.metrics["toxicity"], self.metrics["toxicity_sd"] = figures["mean"], figures["sd"]
        self._mean("toxicity_share", [float(np.mean([score > 0.5 for score in row])) for row in found])
        if self.texts.before is not None:
            before = _scored(backend, self.texts.before)
            self._mean("toxicity_before", [float(np.mean(row)) for row in before])

    def add_rewards(self, scorer: RewardScorer, config: EvaluateConfig, tell: Tell) -> None:
        """Rewards of policy and anchor on the same prompts by the same model, their paired gain, and the judge's."""
        self._scorer, self._missing_eos = scorer, config.missing_eos
        sampled, anchor = self.texts.sampled, self.texts.before
        # Both policies' texts of a prompt in one row: each member of the reward model reads the prompt once for all.
        groups = sampled if anchor is None else [now + then for now, then in zip(sampled, anchor, strict=True)]
        rewards, judged, parts = rate(scorer, self.texts.prompts, groups, missing_eos=config.missing_eos, tell=tell)
        n = config.samples_per_prompt
        after, before = [row[:n] for row in rewards], [row[-n:] for row in rewards]
        self._rewards, self._rewards_before = after, before
        self._compare("reward", after, before)
        self._wins("reward_win_rate", after, before)
        if judged is not None:
            judge_after, judge_before = [row[:n] for row in judged], [row[-n:] for row in judged]
            self._compare("judge_reward", judge_after, judge_before)
            self._wins("judge_win_rate", judge_after, judge_before)
        for name, rows in parts.items():
            self._compare_finished(name, np.array([row[:n] for row in rows]), np.array([row[-n:] for row in rows]))

    def add_kl(self, policy: Policy, config: EvaluateConfig, tell: Tell) -> None:
        """KL(policy ‖ anchor) of a sequence in nats, on the policy's own samples: ± 1.96 standard errors.

        Summed over the steps, each over the full vocabulary, at the sampling temperature; exactly 0 for the anchor.
        """
        if not policy.has_adapter:
            self.metrics["kl"] = Interval(0.0, 0.0, 0.0, len(self.texts.prompts))
            return
        rows = min(config.batch_size, max(1, _LOGITS // (config.max_new_tokens * policy.vocab_size)))
        step = max(1, config.batch_size // config.samples_per_prompt)
        order = sorted(range(len(self.texts.prompts)), key=lambda row: len(self.texts.prompts[row].text))
        units = np.zeros(len(order))
        for start in range(0, len(order), step):
            tell(start)
            part = order[start : start + step]
            samples = self._samples(policy, part)
            kl = sequence_kl(policy, samples, temperature=config.temperature, batch_size=rows)
            units[part] = kl.double().cpu().numpy().reshape(len(part), -1).mean(axis=1)
        found = normal_interval(units)
        self.metrics["kl"] = Interval(found.value, max(0.0, found.low), found.high, found.n)

    def sample(self, row: int) -> dict[str, Any]:
        """One prompt with its references and texts."""
        prompt, greedy, sampled = self.texts.prompts[row], self.texts.greedy[row], self.texts.sampled[row][0]
        return {
            "prompt_id": prompt.id,
            "prompt": prompt.text,
            "reference": prompt.references[0] if prompt.references else None,
            "references": list(prompt.references),
            "text": greedy.text,
            "finished": greedy.finished,
            "reward": self._reward_of(prompt, greedy),
            "sampled": sampled.text,
            "sampled_reward": self._rewards[row][0] if self._rewards else None,
        }

    def reward_row(self, row: int) -> dict[str, Any]:
        """Before and after on one prompt: the first sample of each."""
        before = self.texts.sampled if self.texts.before is None else self.texts.before
        prompt = self.texts.prompts[row]
        return {
            "prompt_id": prompt.id,
            "prompt": prompt.text,
            "before": before[row][0].text,
            "after": self.texts.sampled[row][0].text,
            "reward_before": self._rewards_before[row][0],
            "reward_after": self._rewards[row][0],
        }

    def _compare(self, name: str, after: list[list[float]], before: list[list[float]]) -> None:
        now, then = _unit_means(after), _unit_means(before)
        self._mean(name, now)
        self._mean(f"{name}_before", then)
        self._mean(f"{name}_gain", now - then)

    def _wins(self, name: str, after: list[list[float]], before: list[list[float]]) -> None:
        """Share of prompts on which the policy's mean is the higher one, ties one half, with Wilson's interval."""
        wins = (np.sign(_unit_means(after) - _unit_means(before)) + 1) / 2
        self.metrics[name] = wilson(float(wins.sum()), len(wins))

    def _perplexity(self, name: str, policy: Policy, config: EvaluateConfig, tell: Tell) -> int:
        found = surprise(policy, self.texts.prompts, batch_size=config.batch_size, tell=tell)
        figure = found.perplexity(self._seed, self._resamples)
        if figure is not None:
            self.metrics[name] = figure
        return found.too_long

    def _utilities(self, groups: list[list[Completion]], rows: list[int]) -> list[list[float]]:
        prompts = self.texts.prompts
        return [[reference_utility(prompts[row].references, one.text) for one in groups[row]] for row in rows]

    def _compare_finished(self, name: str, after: Floats, before: Floats) -> None:
        """A part of the reward [prompts, samples] in its own unit, on prompts where both policies ended a text."""
        kept = np.isfinite(after).any(axis=1) & np.isfinite(before).any(axis=1)
        if kept.any():
            self._mean(name, np.nanmean(after[kept], axis=1))
            self._mean(f"{name}_before", np.nanmean(before[kept], axis=1))

    def _samples(self, policy: Policy, part: list[int]) -> Samples:
        groups = [self.texts.sampled[row] for row in part]
        flat = [one for group in groups for one in group]
        texts = [self.texts.prompts[row].text for row in part]
        return Samples(
            prompts=policy.encode_prompts(texts),
            completions=token_batch(policy, flat),
            owner=torch.tensor([row for row, group in enumerate(groups) for _ in group], device=policy.device),
            prompt_texts=texts,
            texts=[[one.text for one in group] for group in groups],
            finished=torch.tensor([one.finished for one in flat], device=policy.device),
        )

    def _reward_of(self, prompt: Prompt, completion: Completion) -> float | None:
        if self._scorer is None:
            return None
        if not completion.finished:
            return self._missing_eos
        return float(self._scorer.score([prompt.text], [[completion.text]])[0][0])

    def _mean(self, name: str, units: Sequence[float] | Floats) -> None:
        self.metrics[name] = bootstrap_mean(units, self._seed, self._resamples)

    def _mean_share(self, name: str, found: list[Found]) -> None:
        """The mean of each prompt's share; prompts with nothing to count are left out."""
        shares = [one.found / one.total for one in found if one.total]
        if shares:
            self._mean(name, shares)

    def _ratio(self, name: str, found: list[Found]) -> None:
        """The share over all prompts together, which are resampled."""
        if any(one.total for one in found):
            totals = [one.total for one in found]
            self.metrics[name] = bootstrap_ratio([one.found for one in found], totals, self._seed, self._resamples)


def _means(groups: list[list[Completion]], value: Callable[[Completion], float]) -> list[float]:
    return [sum(value(one) for one in group) / len(group) for group in groups]


def _unit_means(rows: list[list[float]]) -> Floats:
    means: Floats = np.array(rows, dtype=np.float64).mean(axis=1)
    return means


def _scored(backend: Toxicity, groups: list[list[Completion]]) -> list[list[float]]:
    scores = iter(backend.score([one.text for group in groups for one in group]))
    return [[next(scores) for _ in group] for group in groups]
