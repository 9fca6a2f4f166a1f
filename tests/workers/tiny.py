"""A tiny model that ends its sentences, and configs that train it for a step or two."""

import random
from pathlib import Path

from rlhf.config import SFTConfig
from rlhf.models import Policy
from rlhf.train_sft import train_sft
from rlhf.types import Example, Silent
from tests.rlhf.tiny import WORDS, save_tiny

LORA = {"rank": 2, "alpha": 2}
SHORT = {"max_new_tokens": 8}
LIMITS = {"max_prompt_tokens": 40, **SHORT}
TINY = {
    "reward": {
        "lora": LORA,
        "epochs": 1,
        "members": 1,
        "judge_share": 0.0,
        "normalisation_samples": 16,
        "max_completion_tokens": 12,
        **LIMITS,
    },
    "ppo": {
        "lora": LORA,
        "rollouts": 1,
        "rollout_prompts": 4,
        "minibatch": 4,
        "epochs": 1,
        "held_out_samples": 4,
        **LIMITS,
    },
    "dpo": {
        "lora": LORA,
        "epochs": 1,
        "evaluations": 1,
        "held_out_samples": 4,
        "max_completion_tokens": 12,
        **LIMITS,
    },
    "evaluate": {"toxicity": "none", "resamples": 100, "shown": 2, "max_completion_tokens": 12, **LIMITS},
    "generate": {"prompts": 5, **SHORT},
}


def round_config(algorithm: str) -> dict[str, dict[str, object]]:
    """What a round of the tiny model is configured with."""
    return {kind: TINY[kind] for kind in ("reward", algorithm, "evaluate", "generate")}


def prompt_text(index: int) -> str:
    """Eight words, different for each index."""
    return " ".join(WORDS[(index * 3 + place) % 50] for place in range(8))


def save_base_model(folder: Path) -> Path:
    """A tiny T5 that writes three words and an end: a second of training on one core."""
    draw = random.Random(0)
    examples = [Example(prompt_text(index), " ".join(draw.choices(WORDS[:20], k=3))) for index in range(64)]
    policy = Policy.load(save_tiny(folder / "random", "t5", scale=0.5), device="cpu")
    config = SFTConfig(epochs=20, batch_size=16, learning_rate=1e-2)
    out = folder / "base"
    out.mkdir()
    train_sft(config, policy, examples, examples[:2], out, seed=0, reporter=Silent())
    return out
