"""The options of the command line that say what the model reads."""

import argparse
from pathlib import Path

from rlhf.data import read_shots
from rlhf.exceptions import ConfigError
from rlhf.prompting import TEMPLATES, TURN, PromptFormat, Shot, named

DEFAULTS = {"template": "plain", "turn": TURN, "window": 0, "examples": None, "shots": None}


def add_prompt_options(parser: argparse.ArgumentParser) -> None:
    """--template, --turn, --window, --examples, --shots."""
    parser.add_argument(
        "--template",
        default=DEFAULTS["template"],
        help=r"what the model reads: {prompt} stands for the prompt, {examples} for --examples, \n for a line break; "
        f"or one of {', '.join(TEMPLATES)}",
    )
    parser.add_argument("--turn", default=TURN, help=f"one turn of a conversation ({TURN})")
    parser.add_argument("--window", type=int, default=0, help="the last so many turns of a conversation (0: all)")
    parser.add_argument("--examples", type=Path, help="JSONL or CSV of prompts with targets to show before each prompt")
    parser.add_argument("--shots", type=int, help="how many of the examples, the first ones (all)")


def prompt_format(options: argparse.Namespace) -> PromptFormat:
    """The format they say. Raises ConfigError for a template or a number at fault, DataError for the examples' file."""
    return PromptFormat(
        template=named(_typed(options.template)),
        turn_template=_typed(options.turn),
        window=options.window,
        shots=_shots(options.examples, options.shots),
    )


def _shots(file: Path | None, count: int | None) -> tuple[Shot, ...]:
    if file is None:
        if count is not None:
            raise ConfigError("--shots takes from the file of --examples: give one.")
        return ()
    shots = read_shots(file)
    if count is not None and not 0 <= count <= len(shots):
        raise ConfigError(f"--shots must be from 0 to {len(shots)}, the examples in {file}, not {count}.")
    return tuple(shots[:count])


def _typed(text: str) -> str:
    r"""As typed in a shell, where \n is two characters."""
    return text.replace(r"\n", "\n").replace(r"\t", "\t")
