"""What the loop measures from outside: against the hidden utility, on prompts that nothing was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from annotation.models import Project
from rlhf.config import SamplingConfig
from rlhf.evaluate import EvaluateConfig, evaluate
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.reward_model import load_reward_model
from rlhf.simulate import (
    Annotator,
    bayes_accuracy,
    groups_shuffled,
    pair_accuracy,
    simulated_ranking,
    true_win_rate,
)
from rlhf.statistics import bootstrap_mean
from rlhf.training_config import with_preset
from rlhf.types import Interval, Prompt, Reporter
from workers.config import preset_of
from workers.models import ModelVersion
from workers.pipelines.models import folder, policy_load
from workers.services import policy_current, project_anchor, project_format
from workers.simulation import Oracle

MAX_COMPLETION_TOKENS = 64
SAMPLING = SamplingConfig(max_new_tokens=MAX_COMPLETION_TOKENS)
COPIED = ("kl", "length", "rouge1", "rouge2", "rougeL", "rougeLsum", "toxicity")


@dataclass
class Yardstick:
    """``test`` prompts are for win rate, KL and ROUGE; ``held_out`` ones are ranked to measure the reward model."""

    project: Project
    oracle: Oracle
    test: Sequence[Prompt]
    held_out: Sequence[Prompt]
    seed: int
    shuffle: bool
    reporter: Reporter
    _anchor: list[float] = field(default_factory=list)

    def completions(self) -> list[list[str]]:
        """What people would be shown of the held-out prompts now: K texts, of a policy's K one by the anchor."""
        writer, k = policy_current(self.project), self.project.completions_per_prompt
        anchor = project_anchor(self.project)
        policy = policy_load(self.project, writer, max_completion_tokens=MAX_COMPLETION_TOKENS)
        by_anchor = k if writer.pk == anchor.pk else 1
        own = self._sample(policy, self.held_out, k - by_anchor, seed=self.seed + 1) if by_anchor < k else None
        reference = self._sample(policy, self.held_out, by_anchor, seed=self.seed + 2, reference=True)
        return [first + second for first, second in zip(own or [[]] * len(reference), reference, strict=True)]

    def measure(
        self, *, policy: ModelVersion, reward: ModelVersion, completions: Sequence[Sequence[str]]
    ) -> dict[str, Interval | None]:
        """Every figure of a round's row; None for what cannot be measured here."""
        return {
            **self._reward_accuracy(reward, completions),
            **self._truth(policy),
            **self._evaluation(policy),
        }

    def _reward_accuracy(self, reward: ModelVersion, completions: Sequence[Sequence[str]]) -> dict[str, Interval]:
        scorer = load_reward_model(folder(reward), folder(project_anchor(self.project)))
        scores = scorer.score([self._templated(prompt) for prompt in self.held_out], completions)
        utilities = [
            [self._utility(prompt, text) for text in texts]
            for prompt, texts in zip(self.held_out, completions, strict=True)
        ]
        rng = np.random.default_rng([self.seed, len(completions)])
        people = [Annotator.numbered(index % 5, seed=self.seed) for index in range(len(utilities))]
        rankings = [
            simulated_ranking(row, annotator=person, rng=rng) for row, person in zip(utilities, people, strict=True)
        ]
        if self.shuffle:
            rankings = [groups_shuffled(groups, rng) for groups in rankings]
            # Labels by lot can be guessed no better than by lot.
            best = Interval(0.5, 0.5, 0.5, len(rankings))
        else:
            best = bayes_accuracy(utilities, rankings, people, seed=self.seed)
        return {
            "reward_accuracy": pair_accuracy(scores, rankings, seed=self.seed),
            "best_possible_accuracy": best,
        }

    def _truth(self, policy: ModelVersion) -> dict[str, Interval]:
        model = policy_load(self.project, policy, max_completion_tokens=MAX_COMPLETION_TOKENS)
        texts = self._sample(model, self.test, 1, seed=self.seed + 3)
        ours = [self._utility(prompt, row[0]) for prompt, row in zip(self.test, texts, strict=True)]
        if not self._anchor:
            texts = self._sample(model, self.test, 1, seed=self.seed + 4, reference=True)
            self._anchor = [self._utility(prompt, row[0]) for prompt, row in zip(self.test, texts, strict=True)]
        return {
            "true_utility": bootstrap_mean(ours, self.seed),
            "true_utility_anchor": bootstrap_mean(self._anchor, self.seed),
            "true_win_rate": true_win_rate(ours, self._anchor, seed=self.seed),
        }

    def _evaluation(self, policy: ModelVersion) -> dict[str, Interval | None]:
        prompts = [Prompt(one.id, self._templated(one), one.references) for one in self.test]
        anchor = folder(project_anchor(self.project))
        config = with_preset(EvaluateConfig, {"preset": preset_of(self.project.base_model)})
        result = evaluate(config, anchor, folder(policy), None, prompts, seed=self.seed, reporter=self.reporter)
        return {name: result.metrics.get(name) for name in COPIED}

    def _sample(
        self, policy: Policy, prompts: Sequence[Prompt], n: int, *, seed: int, reference: bool = False
    ) -> list[list[str]]:
        templated = [Prompt(one.id, self._templated(one), one.references) for one in prompts]
        result = generate(policy, templated, n, SAMPLING, seed=seed, reference=reference)
        return [[one.text for one in row] for row in result.completions]

    def _templated(self, prompt: Prompt) -> str:
        return project_format(self.project).apply(prompt.text)

    def _utility(self, prompt: Prompt, text: str) -> float:
        return self.oracle.utility(external_id=prompt.id, references=prompt.references, text=text)
