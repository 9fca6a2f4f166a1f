"""Which races there are, against whom, and what the goal is."""

from dataclasses import dataclass
from typing import Any

from bench.races.environments import NEW, OLD, Environment
from bench.races.work import Work


@dataclass(frozen=True)
class Race:
    """``goal`` is the wanted ratio of the peer's time to ours, ``prototype`` what a first trial reached."""

    title: str
    peer: str
    environment: Environment
    module: str
    goal: float
    prototype: float
    unit: str  # what "rate" counts


RACES = {
    "ppo": Race("PPO step, distinct prompts", "trl 0.11.4 PPOTrainer", OLD, "peer_ppo", 2.0, 1.38, "tokens"),
    "ppo-decoder": Race(
        "PPO step, distinct prompts, adapters in the decoder alone",
        "trl 0.11.4 PPOTrainer",
        OLD,
        "peer_ppo",
        2.0,
        1.38,
        "tokens",
    ),
    "ppo-shared": Race("PPO step, shared prompts", "trl 0.11.4 PPOTrainer", OLD, "peer_ppo", 3.5, 2.2, "tokens"),
    "reward": Race("reward-model training", "trl 1.16.0 RewardTrainer", NEW, "peer_reward", 6.0, 4.0, "pairs"),
    "dpo": Race("DPO step", "trl 0.11.4 DPOTrainer", OLD, "peer_dpo", 4.0, 2.5, "pairs"),
    "generate": Race(
        "sampling, shared prompts", "transformers 5.23 generate", NEW, "peer_generate", 2.3, 1.8, "tokens"
    ),
}


def work_of(name: str, **common: Any) -> Work:
    """The sizes of the race ``name``, and what the command line sets of them."""
    sizes: dict[str, Any] = {
        "ppo-decoder": {"decoder_only": True},
        "ppo-shared": {"prompts": 4, "samples": 4},
        "generate": {"samples": 4},
    }.get(name, {})
    given = {key: value for key, value in common.items() if value is not None}
    return Work(race=name, **{**sizes, **given})
