"""The settings of reward model, PPO and DPO."""

import subprocess
import sys

import pytest

from rlhf.config import SFTConfig, SFTLoraSpec, from_mapping, to_mapping
from rlhf.exceptions import ConfigError
from rlhf.toy_settings import SFT_ON_FILES
from rlhf.training_config import PRESETS, DPOConfig, PPOConfig, RewardConfig, with_preset

CONFIGS = (RewardConfig, PPOConfig, DPOConfig)


def test_the_settings_need_no_torch() -> None:
    code = "import sys, rlhf.training_config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("cls", CONFIGS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_valid_config(cls: type[object], preset: str) -> None:
    config = with_preset(cls, {"preset": preset})
    assert from_mapping(cls, to_mapping(config)) == config


def test_what_is_given_beats_the_preset() -> None:
    config = with_preset(PPOConfig, {"preset": "tiny", "learning_rate": 3e-3})
    assert config.learning_rate == 3e-3
    assert config.lora.targets == "all-linear"


def test_a_part_of_a_nested_config_leaves_the_presets_rest() -> None:
    config = with_preset(PPOConfig, {"preset": "tiny", "lora": {"rank": 4}})
    assert config.lora.rank == 4
    assert config.lora.targets == "all-linear"
    assert PRESETS["tiny"][PPOConfig]["lora"]["rank"] == 16, "the preset itself stays"  # type: ignore[index]


def test_sft_has_its_own_tiny_values() -> None:
    assert with_preset(SFTConfig, {"preset": "tiny"}) == SFT_ON_FILES
    given = {"preset": "tiny", "method": "lora", "lora": {"rank": 2}}
    assert with_preset(SFTConfig, given).lora == SFTLoraSpec(rank=2)


def test_the_tiny_rate_of_full_fine_tuning_is_no_other_methods() -> None:
    for method in ("lora", "qlora", "prompt"):
        assert with_preset(SFTConfig, {"preset": "tiny", "method": method}).learning_rate is None
    assert with_preset(SFTConfig, {"preset": "tiny", "method": "lora", "learning_rate": 0.01}).learning_rate == 0.01


@pytest.mark.parametrize("name", ["huge", ["tiny"], None])
def test_an_unknown_preset_is_an_error(name: object) -> None:
    with pytest.raises(ConfigError, match="flan, tiny"):
        with_preset(PPOConfig, {"preset": name})


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'kl_target'"):
        with_preset(PPOConfig, {"kl_targt": 3})


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (PPOConfig, {"clip": 0.0}),
        (PPOConfig, {"kl_target": -1.0}),
        (PPOConfig, {"beta": 0.0}),
        (PPOConfig, {"gamma": 1.5}),
        (PPOConfig, {"lora": {"dropout": 0.1}}),
        (PPOConfig, {"rollouts": 0}),
        (PPOConfig, {"saved_learning_rate": 0.0}),
        (PPOConfig, {"lora": {"modules_to_save": [""]}}),
        (RewardConfig, {"label_smoothing": 0.5}),
        (RewardConfig, {"judge_share": 0.9}),
        (RewardConfig, {"max_new_tokens": 200}),
        (DPOConfig, {"beta": 0.0}),
        (DPOConfig, {"form": "ipo", "ties": "rao-kupper"}),
    ],
)
def test_values_out_of_range_are_errors(cls: type[object], values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        from_mapping(cls, values)


def test_a_fixed_beta_of_zero_is_allowed() -> None:
    assert from_mapping(PPOConfig, {"beta": 0.0, "kl_target": None}).beta == 0
