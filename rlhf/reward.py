"""A reward that was loaded from its description: it scores, and it can say what it is made of."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from rlhf.reward_model import RewardScorer, Scores
from rlhf.reward_spec import RewardSpec


@dataclass(frozen=True)
class TextLimits:
    """The longest texts that a reward reads, in tokens of the anchor's tokenizer; a completion's EOS counts."""

    prompt: int
    completion: int


class Reward(ABC):
    """A `RewardScorer` with its description: ``spec`` as frozen data, ``limits`` None where any text can be read."""

    def __init__(self, spec: RewardSpec, limits: TextLimits | None = None) -> None:
        self.spec = spec
        self.limits = limits

    @property
    @abstractmethod
    def record(self) -> dict[str, object]:
        """All that the scores depend on as plain data, the same on every machine: hashes in the place of paths."""

    @property
    def sha256(self) -> str:
        """Hash of the record: two rewards with the same one give the same scores."""
        return hashlib.sha256(json.dumps(self.record, sort_keys=True).encode()).hexdigest()

    @abstractmethod
    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores:
        """One reward for each completion of each prompt, in their order; higher is better."""

    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> Scores | None:
        """The same by a model that the policy was never trained against; None where there is none."""
        return None

    def parts(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> dict[str, Scores]:
        """The scores of each part of a sum, each in its own unit; of another reward, none."""
        return {}


def reward_parts(
    scorer: RewardScorer, prompts: Sequence[str], completions: Sequence[Sequence[str]]
) -> dict[str, Scores]:
    """The parts' scores under the names of their figures; none where the reward has no parts."""
    parts = scorer.parts(prompts, completions) if isinstance(scorer, Reward) else {}
    return {f"reward_part_{name}": scores for name, scores in parts.items()}


def part_means(scorer: RewardScorer, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> dict[str, float]:
    """Each part's mean over all ``completions``, in its own unit; none where there are no completions."""
    found = {}
    for name, scores in reward_parts(scorer, prompts, completions).items():
        values = [value for row in scores for value in row]
        if values:
            found[name] = sum(values) / len(values)
    return found
