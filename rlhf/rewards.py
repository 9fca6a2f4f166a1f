"""One door to every reward: a reward model's folder, a file with a description, or the description itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlhf.classifier import Classifier
from rlhf.config import SamplingConfig, require
from rlhf.exceptions import DataError
from rlhf.loading import best_device
from rlhf.models import Policy
from rlhf.reference_samples import reference_samples
from rlhf.reward import Reward
from rlhf.reward_description import DESCRIPTION, described, read_reward_spec, reward_spec
from rlhf.reward_kinds import ClassifierReward, ModelReward, RougeReward
from rlhf.reward_model import RewardScorer, load_reward_model
from rlhf.reward_spec import ClassifierSpec, ModelSpec, RewardSpec, RougeSpec, SumSpec
from rlhf.reward_sum import SumReward, fitted, narrowest
from rlhf.types import Prompt, Reporter, Silent

__all__ = ["load_reward", "reward_record", "save_description"]


def load_reward(
    source: Path | Mapping[str, object] | RewardSpec,
    anchor: Path,
    *,
    prompts: Sequence[Prompt] = (),
    batch: int = 64,
    reporter: Reporter | None = None,
) -> Reward:
    """The reward that ``source`` names: a reward model's folder, a ``.toml`` or ``.json`` file, or a description.

    ``prompts`` are those to be scored: ROUGE takes its references from them, and parts of a sum that are to be
    standardised and have no mean and sd yet get them from the anchor's samples on the first of them. ``batch`` texts
    are read at once. Raises ConfigError, DataError and ModelError, which name what was wrong.
    """
    if isinstance(source, Path):
        spec = read_reward_spec(source)
    else:
        spec = reward_spec(source) if isinstance(source, Mapping) else source
    return _Loader(anchor, prompts, batch, reporter or Silent()).load(spec)


@dataclass(frozen=True)
class _Loader:
    anchor: Path
    prompts: Sequence[Prompt]
    batch: int
    reporter: Reporter
    _classifiers: dict[str, Classifier] = field(default_factory=dict)  # two labels of one classifier load it once

    def load(self, spec: RewardSpec) -> Reward:
        """The reward of ``spec``, its parts first."""
        if isinstance(spec, ModelSpec):
            return ModelReward(spec, load_reward_model(Path(spec.path), self.anchor, batch=self.batch))
        if isinstance(spec, ClassifierSpec):
            return ClassifierReward(spec, self._classifier(spec.source))
        if isinstance(spec, RougeSpec):
            return RougeReward(spec, self.prompts)
        rewards = [self.load(part.reward) for part in spec.parts]
        spec = replace(
            spec, parts=tuple(replace(one, reward=made.spec) for one, made in zip(spec.parts, rewards, strict=True))
        )
        return SumReward(self._fitted(spec, rewards), rewards)

    def _classifier(self, source: str) -> Classifier:
        if source not in self._classifiers:
            self._classifiers[source] = Classifier(source, device=best_device(), batch_size=self.batch)
        return self._classifiers[source]

    def _fitted(self, spec: SumSpec, rewards: Sequence[Reward]) -> SumSpec:
        """``spec`` with mean and sd of every part that is to be standardised."""
        if not any(part.unfitted for part in spec.parts):
            return spec
        asked, texts = self._samples(spec, rewards)
        return replace(
            spec,
            parts=tuple(
                fitted(part, reward, asked, texts) if part.unfitted else part
                for part, reward in zip(spec.parts, rewards, strict=True)
            ),
        )

    def _samples(self, spec: SumSpec, rewards: Sequence[Reward]) -> tuple[list[str], list[list[str]]]:
        if not self.prompts:
            raise DataError("A part is standardised on the anchor's samples, but there are no prompts to sample on.")
        wanted, limits = spec.samples, narrowest(rewards)
        room: dict[str, Any] = {"max_completion_tokens": wanted.max_new_tokens}
        if limits is not None:
            require(
                wanted.max_new_tokens < limits.completion,
                f"samples.max_new_tokens is {wanted.max_new_tokens}, but a part reads completions below "
                f"{limits.completion} tokens",
            )
            room["max_prompt_tokens"] = limits.prompt
        count = min(wanted.count, len(self.prompts))
        self.reporter.event(
            "log",
            f"The reward's parts are standardised on the anchor's samples of {count} prompts; to score in this unit "
            f"again, give the description with its mean and sd ({DESCRIPTION}, beside what a training saves).",
        )
        return reference_samples(
            Policy.load(self.anchor, **room),
            self.prompts,
            wanted.count,
            SamplingConfig(max_new_tokens=wanted.max_new_tokens, temperature=wanted.temperature),
            seed=wanted.seed,
            batch_size=self.batch,
            reporter=self.reporter,
        )


def reward_record(scorer: RewardScorer | None) -> dict[str, object]:
    """What a run remembers of its reward: what it is made of and the hash of that; nothing of one made in code."""
    return {**scorer.record, "sha256": scorer.sha256} if isinstance(scorer, Reward) else {}


def save_description(scorer: RewardScorer | None, folder: Path) -> None:
    """Write the description into ``folder``, mean and sd included: given as a reward, it scores the same again.

    Nothing is written for a reward model alone: its folder says it all.
    """
    if isinstance(scorer, Reward) and not isinstance(scorer, ModelReward):
        text = json.dumps(described(scorer.spec, folder), sort_keys=True, indent=1, ensure_ascii=False)
        (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
