"""``python -m rlhf dpo``."""

import argparse
from pathlib import Path

from rlhf.cli.command import Command
from rlhf.cli.console import Console
from rlhf.cli.inputs import prompts_of, rankings_of
from rlhf.cli.options import ANCHOR, RANKINGS, REWARD, add, add_training
from rlhf.cli.settings import settings_of
from rlhf.cli.trainings import WRITES, train_into
from rlhf.training_config import DPOConfig
from rlhf.types import Artifact


def _options(parser: argparse.ArgumentParser) -> None:
    add(parser, ANCHOR, RANKINGS, ("--reward", f"what measures: {REWARD}", Path, False))
    add(parser, ("--held-out", "prompts to measure on; else those of the validation rankings", Path, False))
    add_training(parser)


def _run(options: argparse.Namespace, console: Console) -> None:
    config = settings_of(DPOConfig, options)
    rankings = rankings_of(options.rankings, options)
    held_out = prompts_of(options.held_out, options) if options.held_out else []

    def train(out: Path) -> Artifact:
        from rlhf.loading import found
        from rlhf.train_dpo import train_dpo

        return train_dpo(
            config, Path(found(options.anchor)), rankings, out, seed=options.seed, reporter=console,
            reward=options.reward, held_out=held_out,
        )  # fmt: skip

    train_into(options, console, config, train)


COMMAND = Command(
    name="dpo",
    summary="train a policy on rankings, without sampling from it",
    writes=WRITES.format(what="the adapter of the best checkpoint"),
    settings=(DPOConfig,),
    options=_options,
    run=_run,
)
