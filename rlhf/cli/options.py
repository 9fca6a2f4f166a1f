"""Options that several commands share."""

import argparse
from pathlib import Path
from typing import Any

from rlhf.prompt_options import add_prompt_options
from rlhf.training_config import PRESETS

Option = tuple[str, str, Any, bool]  # name, words for --help, type, whether it must be there

ANCHOR: Option = ("--anchor", "the model training starts from: a hub name or a folder", str, True)
MODEL: Option = ("--model", "hub name or folder", str, True)
RANKINGS: Option = ("--rankings", "a snapshot's rankings.jsonl (.gz too) or rankings.parquet", Path, True)
REWARD = "folder of a reward model, or a .toml or .json file that describes a reward (classifier, ROUGE, sum)"
SEEDS = (1 << 43) - 1  # times a million and three, as trainings count on from theirs, it fits the 64 bits of torch
PROMPTS: Option = ("--prompts", "prompts: .jsonl or .csv (.gz too) or .parquet", Path, True)


def add(parser: argparse._ActionsContainer, *options: Option) -> None:
    """Plain options with a value."""
    for name, words, kind, required in options:
        parser.add_argument(name, help=words, type=kind, required=required)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Settings and seed: of every command."""
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="TOML file with settings")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, above the file: lora.rank=8"
    )
    parser.add_argument("--preset", help=f"settings that stand where none is given: {', '.join(PRESETS)} (flan)")
    parser.add_argument("--seed", type=at_least(0, SEEDS), default=0, help="the same seed gives the same result (0)")


def add_training(parser: argparse.ArgumentParser) -> None:
    """What every training has."""
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained model")
    parser.add_argument("--overwrite", action="store_true", help="replace the finished result in --out")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="folder for its logs (OUT.logs)")
    add_common(parser)
    add_prompt_options(parser)


def add_limits(parser: argparse.ArgumentParser, what: str) -> None:
    """Of texts, in tokens."""
    parser.add_argument(
        "--max-prompt-tokens", type=at_least(1), default=512, help="longer prompts are counted and left out (512)"
    )
    parser.add_argument("--max-completion-tokens", type=at_least(1), default=128, help=f"{what} (128)")


def at_least(least: int, most: int | None = None) -> Any:
    """A type for whole numbers from ``least`` on, or to ``most``."""

    def whole(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be at most {most}, not {value}")
        return value

    whole.__name__ = "whole number"  # argparse says it: invalid whole number value: 'x'
    return whole
