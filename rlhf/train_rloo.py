"""Training by RLOO, PPO without a value head, for seq2seq and causal policies."""

from collections.abc import Sequence
from pathlib import Path

from rlhf.policy_gradient_config import RLOOConfig
from rlhf.reward_model import RewardScorer
from rlhf.rloo import LeaveOneOut
from rlhf.train_policy_gradient import train_policy_gradient
from rlhf.types import Artifact, Prompt, Reporter

__all__ = ["RLOOConfig", "train_rloo"]


def train_rloo(
    config: RLOOConfig,
    anchor: Path,
    reward: Path | RewardScorer,
    prompts: Sequence[Prompt],
    held_out: Sequence[Prompt],
    out: Path,
    *,
    seed: int,
    reporter: Reporter,
) -> Artifact:
    """Train a fresh adapter on ``anchor`` against ``reward``; see train_policy_gradient for what it raises."""
    return train_policy_gradient(
        "RLOO", config, lambda policy: LeaveOneOut(), anchor, reward, prompts, held_out, out,
        seed=seed, reporter=reporter,
    )  # fmt: skip
