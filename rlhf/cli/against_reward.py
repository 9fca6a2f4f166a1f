"""Trainings of a policy on prompts against a reward model: all have the same options and the same inputs."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rlhf.cli.console import Console
from rlhf.cli.inputs import prompts_of
from rlhf.cli.options import ANCHOR, PROMPTS, REWARD, add, add_training
from rlhf.cli.settings import settings_of
from rlhf.cli.trainings import train_into
from rlhf.types import Artifact

Train = Callable[..., Artifact]  # (config, anchor, reward, prompts, held_out, out, *, seed, reporter)


def add_options(parser: argparse.ArgumentParser) -> None:
    add(parser, ANCHOR, ("--reward", f"what is trained against: {REWARD}", Path, True), PROMPTS)
    add(parser, ("--held-out", "prompts that choose the checkpoint, in files of the same kinds", Path, True))
    add_training(parser)


def run(options: argparse.Namespace, console: Console, cls: type[object], load: Callable[[], Train]) -> None:
    """Read everything, then ``load`` the trainer (and torch with it) and train."""
    config = settings_of(cls, options)
    prompts = prompts_of(options.prompts, options)
    held_out = prompts_of(options.held_out, options)

    def train(out: Path) -> Artifact:
        from rlhf.loading import found

        anchor = Path(found(options.anchor))
        return load()(
            config, anchor, options.reward, prompts, held_out, out, seed=options.seed, reporter=console
        )  # fmt: skip

    train_into(options, console, config, train)
