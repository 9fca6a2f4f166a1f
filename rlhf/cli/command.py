"""What a command is: its words for ``--help``, its options, its settings and its work."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from rlhf.cli.console import Console


@dataclass(frozen=True)
class Command:
    """One of ``python -m rlhf COMMAND``."""

    name: str
    summary: str  # one line
    writes: str  # which files, for --help
    settings: tuple[type[object], ...]  # configs that --config and --set fill; of several, the options decide
    options: Callable[[argparse.ArgumentParser], None]  # adds them
    run: Callable[[argparse.Namespace, Console], None]
    usage: Callable[[argparse.Namespace], str | None] = lambda options: None  # options that do not go together
