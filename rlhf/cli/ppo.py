"""``python -m rlhf ppo``."""

import argparse

from rlhf.cli import against_reward
from rlhf.cli.command import Command
from rlhf.cli.console import Console
from rlhf.cli.trainings import WRITES
from rlhf.training_config import PPOConfig


def _load() -> against_reward.Train:
    from rlhf.train_ppo import train_ppo

    return train_ppo


def _run(options: argparse.Namespace, console: Console) -> None:
    against_reward.run(options, console, PPOConfig, _load)


COMMAND = Command(
    name="ppo",
    summary="train a policy against a reward model by PPO",
    writes=WRITES.format(what="the adapter of the best checkpoint"),
    settings=(PPOConfig,),
    options=against_reward.add_options,
    run=_run,
)
