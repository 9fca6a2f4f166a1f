"""docs/rewards.md stays true: its descriptions can be read, and no key or kind is missing."""

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from rlhf.reward_description import DESCRIPTION, reward_spec
from rlhf.reward_spec import KINDS, AnchorSamples, PartSpec, SumSpec, kind_of
from rlhf.training_config import RewardConfig

TEXT = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(toml|json)\n(.*?)```", TEXT, flags=re.DOTALL)


def read(language: str, block: str) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads(block) if language == "toml" else json.loads(block)
    return found


def test_every_kind_is_shown_and_can_be_read() -> None:
    assert {kind_of(reward_spec(read(*block))) for block in BLOCKS} == set(KINDS)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_key_of_a_kind_is_shown(kind: str) -> None:
    shown = next(mapping for mapping in (read(*block) for block in BLOCKS) if mapping["kind"] == kind)
    assert set(shown) == {"kind", *(field.name for field in fields(KINDS[kind]))}


def test_every_key_of_a_part_and_of_the_samples_is_shown() -> None:
    (block,) = [block for block in BLOCKS if '"sum"' in block[1]]
    mapping = read(*block)
    spec = reward_spec(mapping)
    assert isinstance(spec, SumSpec)
    assert spec.samples == AnchorSamples(), "the values shown are the defaults"
    keys = {field.name for field in fields(PartSpec)} - {"reward"}
    assert all(f'"{key}"' in block[1] for key in keys)
    assert mapping["samples"].keys() == {field.name for field in fields(AnchorSamples)}  # type: ignore[attr-defined]


def test_the_settings_and_files_it_names_exist() -> None:
    known = {field.name for field in fields(RewardConfig)}
    named = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", TEXT, flags=re.MULTILINE)
    assert {name for pair in named for name in pair if name} <= known
    assert len(named) == 5
    assert DESCRIPTION in TEXT
