"""Settings: a preset, the TOML file above it, --set above that."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from rlhf.cli.settings import put, settings_of, value_of
from rlhf.config import SFTConfig
from rlhf.exceptions import ConfigError
from rlhf.training_config import PPOConfig
from tests.rlhf.cli.conftest import Run

TOML = """
preset = "tiny"
rollouts = 3
kl_target = "none"

[lora]
rank = 4
"""


def options(config: Path | None = None, *settings: str, preset: str | None = None) -> Namespace:
    return Namespace(config=config, set=list(settings), preset=preset)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(TOML)
    return path


def test_the_file_stands_above_the_preset_and_set_above_the_file(toml: Path) -> None:
    config = settings_of(PPOConfig, options(toml, "rollouts=5", "lora.alpha=9"))
    assert (config.rollouts, config.lora.rank, config.lora.alpha) == (5, 4, 9)
    assert config.kl_target is None
    assert config.minibatch == 64, "the tiny preset's"
    assert config.lora.targets == "all-linear", "a table in the file changes its own keys alone"


def test_the_option_preset_stands_above_the_files(toml: Path) -> None:
    assert settings_of(PPOConfig, options(toml, preset="flan")).minibatch == 16


def test_set_can_name_a_nested_setting_and_take_one_away() -> None:
    assert settings_of(SFTConfig, options(None, "method=lora", "lora.rank=2")).lora.rank == 2
    assert settings_of(PPOConfig, options(None, "kl_target=none")).kl_target is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-4", 1e-4),
        ("true", True),
        ('["q", "v"]', ["q", "v"]),
        ("sigmoid", "sigmoid"),
        ('"3"', "3"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_toml_or_a_word(text: str, value: object) -> None:
    assert value_of(text) == value


def test_a_value_may_hold_an_equals_sign() -> None:
    mapping: dict[str, object] = {}
    put(mapping, "toxicity=a=b")
    assert mapping == {"toxicity": "a=b"}


@pytest.mark.parametrize("setting", ["epochs", "=3", ".rank=3", "lora..rank=3"])
def test_what_is_no_setting_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"--set takes KEY=VALUE, such as lora\.rank=8, not "):
        put({}, setting)


def test_the_settings_are_kept_beside_the_result(run: Run, folder: Path) -> None:
    (folder / "run.toml").write_text('epochs = 2\nmethod = "lora"\n[lora]\nrank = 2\n')
    data = ("--model", "model", "--data", "prompts.jsonl", "--out", "out")
    assert run("sft", *data, "--config", "run.toml", "--set", "batch_size=2", "--seed", "7") == 0
    kept = json.loads((folder / "out.logs" / "run.json").read_text())
    assert kept["settings"]["epochs"] == kept["settings"]["batch_size"] == 2
    assert kept["settings"]["lora"]["rank"] == 2
    assert kept["options"]["seed"] == 7
    assert kept["versions"]["torch"]
