"""``python -m rlhf sft``."""

import argparse
from pathlib import Path

from rlhf.cli.command import Command
from rlhf.cli.console import Console
from rlhf.cli.inputs import examples_of
from rlhf.cli.options import MODEL, add, add_limits, add_training
from rlhf.cli.settings import settings_of
from rlhf.cli.trainings import WRITES, train_into
from rlhf.config import SFTConfig
from rlhf.types import Artifact


def _options(parser: argparse.ArgumentParser) -> None:
    add(parser, MODEL, ("--data", "prompts with references: .jsonl or .csv (.gz too) or .parquet", Path, True))
    add(parser, ("--validation", "the same, for the validation loss", Path, False))
    add_training(parser)
    add_limits(parser, "longer targets are counted and left out")


def _run(options: argparse.Namespace, console: Console) -> None:
    config = settings_of(SFTConfig, options)
    examples = examples_of(options.data, options)
    validation = examples_of(options.validation, options) if options.validation else []

    def train(out: Path) -> Artifact:
        from rlhf.models import Policy
        from rlhf.train_sft import train_sft

        policy = Policy.load(
            options.model,
            nf4=config.method == "qlora",
            max_prompt_tokens=options.max_prompt_tokens,
            max_completion_tokens=options.max_completion_tokens,
        )
        return train_sft(config, policy, examples, validation, out, seed=options.seed, reporter=console)

    train_into(options, console, config, train)


COMMAND = Command(
    name="sft",
    summary="fine-tune a model on prompts and targets",
    writes=WRITES.format(what="the model in the hub's format, an adapter merged (a soft prompt beside it)"),
    settings=(SFTConfig,),
    options=_options,
    run=_run,
)
