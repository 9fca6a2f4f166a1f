"""``python -m rlhf rloo``."""

import argparse

from rlhf.cli import against_reward
from rlhf.cli.command import Command
from rlhf.cli.console import Console
from rlhf.cli.trainings import WRITES
from rlhf.training_config import RLOOConfig


def _load() -> against_reward.Train:
    from rlhf.train_rloo import train_rloo

    return train_rloo


def _run(options: argparse.Namespace, console: Console) -> None:
    against_reward.run(options, console, RLOOConfig, _load)


COMMAND = Command(
    name="rloo",
    summary="train a policy against a reward model by RLOO, which needs no value head",
    writes=WRITES.format(what="the adapter of the best checkpoint"),
    settings=(RLOOConfig,),
    options=against_reward.add_options,
    run=_run,
)
