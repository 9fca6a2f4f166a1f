"""What a command reads: files of the data module, none of them empty."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from rlhf.data import read_examples, read_prompts, read_rankings
from rlhf.exceptions import DataError
from rlhf.prompt_options import prompt_format
from rlhf.types import Example, Prompt, Ranking

T = TypeVar("T")


def prompts_of(path: Path, options: argparse.Namespace) -> list[Prompt]:
    """Raises DataError for a bad line and for a file without prompts."""
    return _some(path, "prompts", read_prompts(path, prompt_format(options)))


def examples_of(path: Path, options: argparse.Namespace) -> list[Example]:
    """Raises DataError for a bad line and for a file without examples."""
    return _some(path, "examples", read_examples(path, prompt_format(options)))


def rankings_of(path: Path, options: argparse.Namespace) -> list[Ranking]:
    """Raises DataError for a bad line and for a file without rankings."""
    return _some(path, "rankings", read_rankings(path, prompt_format(options)))


def _some(path: Path, what: str, found: Sequence[T]) -> list[T]:
    if not found:
        raise DataError(f"{path} is empty: it holds no {what}; one line for each is needed.")
    return list(found)
