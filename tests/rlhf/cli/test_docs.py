"""docs/commands.md: every option stands there, and its examples are commands that the parser takes."""

import argparse
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rlhf.cli.parser import COMMANDS, parser
from rlhf.cli.settings_help import settings_lines
from rlhf.config import SFTConfig, from_mapping
from rlhf.training_config import PPOConfig, with_preset

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
EXAMPLES = [
    shlex.split(block.replace("\\\n", " "))[3:]
    for block in re.findall(r"^```\n(python -m rlhf .*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
]


def subparsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = (one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    found: dict[str, Any] = dict(action.choices)
    return found


def section(name: str) -> str:
    """The text of a command's headings, with what all commands have in common."""
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return "\n".join(part for part in parts if re.match(rf"({name}\b|What all)", part))


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_option_of_a_command_stands_in_its_section(name: str) -> None:
    options = [word for action in subparsers()[name]._actions for word in action.option_strings if word != "-h"]
    assert len(options) > 8
    missing = [word for word in options if not re.search(rf"`{word}[`\s]", section(name))]
    assert missing == []


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_option_in_a_section_exists(name: str) -> None:
    known = {word for action in subparsers()[name]._actions for word in action.option_strings}
    tables = [line for line in section(name).splitlines() if line.startswith("| `--")]
    named = {word for line in tables for word in re.findall(r"`(--[a-z-]+)", line.split(" | ")[0])}
    assert named - known == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda words: words[0])
def test_an_example_is_a_command(example: list[str]) -> None:
    options = parser().parse_args(example)
    assert options.command.usage(options) is None


def test_every_command_has_an_example_and_a_line_in_the_table() -> None:
    assert {words[0] for words in EXAMPLES} == {command.name for command in COMMANDS}
    for command in COMMANDS:
        assert f"| [`{command.name}`](#{command.name}" in PAGE


def test_the_examples_follow_from_one_another() -> None:
    """What one reads below runs/, one above has written."""
    written: set[str] = set()
    for words in EXAMPLES:
        options = vars(parser().parse_args(words))
        read = [str(value) for key, value in options.items() if key != "out" and str(value).startswith("runs/")]
        assert set(read) <= written
        written.add(str(options.get("out")))


def test_the_toml_example_is_a_config() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    config = with_preset(PPOConfig, tomllib.loads(text))
    assert (config.rollouts, config.kl_target, config.lora.targets) == (200, None, ("q", "v"))


def test_the_exit_codes_are_those_of_the_help() -> None:
    told = re.findall(r"^  (\d+) ", parser().format_help().split("exit codes:")[1], flags=re.MULTILINE)
    assert told == re.findall(r"^\| (\d+) \|", PAGE, flags=re.MULTILINE) == ["0", "1", "2", "130"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_says_what_is_written_and_every_setting(command: Any) -> None:
    text = subparsers()[command.name].format_help()
    assert "writes:\n  OUT" in text
    assert "exit codes:" in text
    for cls in command.settings:
        assert f"settings ({cls.__name__})" in text


def test_help_lists_a_setting_with_its_default_and_its_comment() -> None:
    lines = list(settings_lines(SFTConfig))
    assert "  epochs = 1.0                       passes over the examples; may be a part of one" in lines
    assert any(line.startswith('  learning_rate = "none" ') for line in lines)
    assert any(line.startswith("  lora.rank = 32 ") for line in lines)
    keys = {line.split(" = ")[0].strip() for line in lines}
    for key in keys - {key for key in keys if key.startswith(("lora.", "prompt."))}:
        assert key in SFTConfig.__dataclass_fields__


def test_the_defaults_of_the_help_are_settings() -> None:
    values = [line.split("   ")[0].strip() for line in settings_lines(PPOConfig) if not line.startswith("  lora")]
    assert from_mapping(PPOConfig, tomllib.loads("\n".join(values))) == PPOConfig()
