"""What both sides of a race have to do. Standard library only: the peers' interpreters read it too."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

NAMES = ("ppo", "ppo-decoder", "ppo-shared", "reward", "dpo", "generate")


@dataclass(frozen=True)
class Shape:
    """A T5 with gated feed-forward layers and an untied head."""

    d_model: int
    d_ff: int
    layers: int  # of the encoder, and as many of the decoder
    heads: int
    d_kv: int = 64
    vocabulary: int = 32_128


SHAPES = {
    "tiny": Shape(64, 128, 2, 2, d_kv=32, vocabulary=512),  # to try the commands
    "flan-t5-small": Shape(512, 1024, 8, 6),
    "flan-t5-base": Shape(768, 2048, 12, 12),
    "flan-t5-large": Shape(1024, 2816, 24, 16),
}


@dataclass(frozen=True)
class Work:
    """One race. Sizes are in tokens, EOS counted."""

    race: str  # one of NAMES
    shape: str = "flan-t5-small"  # a name in SHAPES
    prompts: int = 16  # of a PPO step or a generation
    samples: int = 1  # completions of each
    prompt_tokens: int = 200
    new_tokens: int = 60  # of each completion that is sampled
    minibatch: int = 4  # completions in a step of PPO's optimiser
    epochs: int = 1  # passes over a rollout
    rankings: int = 4  # in a step of reward or DPO training
    completions: int = 4  # in a ranking
    completion_tokens: int = 40  # of those
    steps: int = 5  # that are measured, after one that is not
    rank: int = 32  # of the adapters on queries and values
    decoder_only: bool = False  # no adapters in the encoder
    learning_rate: float = 1.41e-5  # of PPO, as in the published lab
    preference_rate: float = 1e-4  # of reward and DPO training
    seed: int = 0
    threads: int = 2
    wait: str = "passive"  # what OpenMP's threads do while they wait for each other
    peer_pairs: int = 6  # in one forward of a peer's trainer; it accumulates the rest
    device: str = "cpu"
    dtype: str = "fp32"

    @property
    def dataset_rankings(self) -> int:
        """One batch before the measured steps, one after them: the last step of a training ends with a validation."""
        return self.rankings * (self.steps + 2)

    @property
    def pairs(self) -> int:
        """In one step."""
        return self.rankings * self.completions * (self.completions - 1) // 2

    @property
    def sampled(self) -> int:
        """Completions of one step."""
        return self.prompts * self.samples

    @property
    def dataset_prompts(self) -> int:
        """New ones for every step, so that nobody gains by remembering."""
        return self.prompts * (self.steps + 2)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """From ``folder``'s work.json."""
        return cls(**json.loads((folder / "work.json").read_text(encoding="utf-8")))

    def write(self, folder: Path) -> None:
        """To ``folder``'s work.json."""
        (folder / "work.json").write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read_data(folder: Path) -> dict[str, Any]:
    """``prompts`` and ``rankings`` as texts and ids, in the order in which a training meets them."""
    data: dict[str, Any] = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    return data
