"""Configs from plain mappings."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from rlhf.config import LoraSpec, SamplingConfig, from_mapping, to_mapping
from rlhf.exceptions import ConfigError


@dataclass(frozen=True)
class Config:
    steps: int
    rate: float = 0.1
    schedule: Literal["linear", "constant"] = "linear"
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    lora: LoraSpec | None = None


def test_nested_configs_come_from_nested_mappings() -> None:
    config = from_mapping(Config, {"steps": 3, "rate": 1, "sampling": {"top_k": 5}, "lora": {"targets": ["q"]}})
    assert config == Config(3, 1.0, "linear", SamplingConfig(top_k=5), LoraSpec(targets=("q",)))


def test_a_config_survives_the_way_there_and_back() -> None:
    config = Config(3, lora=LoraSpec(targets="all-linear"))
    assert from_mapping(Config, to_mapping(config)) == config


def test_none_may_be_written_as_a_word_where_it_is_allowed() -> None:
    assert from_mapping(Config, {"steps": 3, "lora": "none"}).lora is None
    with pytest.raises(ConfigError, match=r"Config\.steps must be a whole number, not 'none'"):
        from_mapping(Config, {"steps": "none"})


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"step": 3}, "Config has no key 'step'; did you mean 'steps'?"),
        ({"steps": 3, "zzz": 1}, "Config has no key 'zzz'; it knows lora, rate"),
        ({}, "Config needs steps"),
        ({"steps": "3"}, "Config.steps must be a whole number, not '3'"),
        ({"steps": True}, "Config.steps must be a whole number"),
        ({"steps": 3, "rate": float("nan")}, "Config.rate must be a finite number"),
        ({"steps": 3, "schedule": "cosine"}, "Config.schedule must be one of linear, constant, not 'cosine'"),
        ({"steps": 3, "sampling": 4}, "Config.sampling must be an object with keys"),
        ({"steps": 3, "sampling": {"topk": 4}}, "Config.sampling has no key 'topk'; did you mean 'top_k'?"),
        ({"steps": 3, "lora": {"rank": 0}}, "Config.lora: rank must be from 1 to 4096, not 0"),
        ({"steps": 3, "lora": {"rank": 10**9}}, "Config.lora: rank must be from 1 to 4096, not 1000000000"),
        ({"steps": 3, "lora": {"rank": "8"}}, "Config.lora.rank must be a whole number, not '8'; or \"none\""),
        ({"steps": 3, "lora": {"targets": "some"}}, "must be one of all-linear"),
    ],
)
def test_a_bad_config_is_refused(mapping: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(Config, mapping)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"max_new_tokens": 0}, {"temperature": 0}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": -1}]
)
def test_sampling_out_of_range_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        from_mapping(SamplingConfig, change)
