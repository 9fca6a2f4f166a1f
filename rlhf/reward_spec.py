"""The description of a reward as plain data: which model, classifier or metric scores, or which sum of them.

    {"kind": "sum", "parts": [{"kind": "model", "path": "reward", "weight": 1.0},
                              {"kind": "classifier", "source": "facebook/…", "weight": 0.5, "standardise": true}]}

`rlhf.reward_description` reads and writes them as JSON and TOML, `rlhf.rewards` makes the rewards. Imports no torch.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rlhf.config import require

RougeName = Literal["rouge1", "rouge2", "rougeL", "rougeLsum", "rougeLsum_split"]


@dataclass(frozen=True)
class ModelSpec:
    """A reward model that `train_reward` made."""

    path: str  # its folder; in a file, relative to that file


@dataclass(frozen=True)
class ClassifierSpec:
    """The logit of one label of a sequence classifier, of the completion alone."""

    source: str  # hub name or folder; in a file, a folder is relative to that file
    label: str | None = None  # whose logit is the reward; null: the one of two labels that is not named like toxicity


@dataclass(frozen=True)
class RougeSpec:
    """ROUGE F1 (0 to 1) against the references that the prompts carry."""

    metric: RougeName = "rougeL"
    references: Literal["best", "mean"] = "best"  # over the references of one prompt


@dataclass(frozen=True)
class AnchorSamples:
    """The anchor's completions that parts are standardised on."""

    count: int = 256  # completions
    temperature: float = 1.0
    max_new_tokens: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.count >= 2, f"count must be at least 2, not {self.count}: one has no spread")
        require(self.temperature > 0, f"temperature must be above 0, not {self.temperature}")
        require(self.max_new_tokens >= 1, f"max_new_tokens must be at least 1, not {self.max_new_tokens}")


@dataclass(frozen=True)
class PartSpec:
    """One term of a sum: weight · reward, or weight · (reward − mean) / sd."""

    reward: "RewardSpec"
    weight: float = 1.0
    name: str = ""  # of its curve; empty: its kind
    standardise: bool = False  # to mean 0 and sd 1 on the anchor's samples, so that the weights have one unit
    mean: float | None = None  # given with sd, they are used as they are: nothing is sampled
    sd: float | None = None

    def __post_init__(self) -> None:
        require((self.mean is None) == (self.sd is None), "mean and sd are given together or not at all")
        require(self.sd is None or self.sd > 0, f"sd must be above 0, not {self.sd}")
        require(self.mean is None or self.standardise, "mean and sd belong to standardise = true")
        require(
            all(letter.isalnum() or letter in "-_" for letter in self.name),
            f"name may have letters, digits, - and _, not {self.name!r}",
        )

    @property
    def unfitted(self) -> bool:
        """True when mean and sd have yet to be measured."""
        return self.standardise and self.mean is None


@dataclass(frozen=True)
class SumSpec:
    """A weighted sum of any rewards."""

    parts: tuple[PartSpec, ...]
    samples: AnchorSamples = field(default_factory=AnchorSamples)

    def __post_init__(self) -> None:
        require(bool(self.parts), "parts must hold at least one reward")
        require(any(part.weight for part in self.parts), "every weight is 0: nothing would be rewarded")
        twice = [name for name, count in Counter(part.name for part in self.parts).items() if count > 1]
        require(not twice, f"two parts have the name {', '.join(map(repr, twice))}: give each its own")


RewardSpec = ModelSpec | ClassifierSpec | RougeSpec | SumSpec
KINDS: Mapping[str, type[Any]] = {"model": ModelSpec, "classifier": ClassifierSpec, "rouge": RougeSpec, "sum": SumSpec}


def kind_of(spec: RewardSpec) -> str:
    """The name of the spec's kind."""
    return next(name for name, cls in KINDS.items() if isinstance(spec, cls))
