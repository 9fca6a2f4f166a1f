"""docs/sft.md names what the code has."""

import argparse
from pathlib import Path
from typing import get_args

import pytest

from rlhf.config import SFTMethod, SoftPromptSpec
from rlhf.prompt_options import add_prompt_options
from rlhf.prompting import TEMPLATES
from rlhf.sft_methods import LEARNING_RATES, SOFT_PROMPT_RATE

TEXT = (Path(__file__).parents[2] / "docs" / "sft.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", get_args(SFTMethod))
def test_each_method_with_its_learning_rate(method: SFTMethod) -> None:
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{method}` |")]
    rate = f"{SOFT_PROMPT_RATE} ×" if method == "prompt" else f"{LEARNING_RATES[method]:.0e}".replace("e-0", "e-")
    assert rate in row
    assert method != "prompt" or f"`prompt.virtual_tokens` {SoftPromptSpec().virtual_tokens}" in row


def test_each_option_of_a_prompt() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_prompt_options(parser)
    for option in parser._option_string_actions:
        assert f"| `{option}" in TEXT


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_template(name: str) -> None:
    assert f"`{name}`" in TEXT
    assert f"`{TEMPLATES[name]}`".replace("\n", r"\n") in TEXT
