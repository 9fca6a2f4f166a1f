"""Training by PPO with a KL penalty against the anchor for seq2seq and causal policies."""

from collections.abc import Sequence
from pathlib import Path

from rlhf.policy_gradient_config import PPOConfig
from rlhf.ppo import Critic
from rlhf.reward_model import RewardScorer
from rlhf.train_policy_gradient import train_policy_gradient
from rlhf.types import Artifact, Prompt, Reporter

__all__ = ["PPOConfig", "train_ppo"]


def train_ppo(
    config: PPOConfig,
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
        "PPO",
        config,
        lambda policy: Critic(config, policy.hidden_size, policy.device),
        anchor,
        reward,
        prompts,
        held_out,
        out,
        seed=seed,
        reporter=reporter,
    )
