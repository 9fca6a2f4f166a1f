"""What may be configured of a run, checked before anything starts and without importing torch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from rlhf.config import BackendChoice, SamplingConfig, SFTConfig, Strategy, require, to_mapping
from rlhf.evaluation_config import EvaluateConfig
from rlhf.exceptions import ConfigError
from rlhf.toy_settings import SFT_ON_FILES
from rlhf.training_config import DPOConfig, PPOConfig, RewardConfig, with_preset
from workers.exceptions import ConfigInvalid
from workers.models import Algorithm, RunKind


@dataclass(frozen=True)
class GenerateConfig:
    """Which prompts get completions, and how they are sampled."""

    prompts: int = 0  # at most this many, those with the fewest rankings first; 0: every prompt that has no task yet
    anchor_completions: int = 1  # of each prompt's K, how many the anchor writes when a policy writes the others
    max_new_tokens: int = 64  # longest completion, in tokens
    temperature: float = 1.0  # of the sampling; 1 is the policy's own distribution
    top_p: float = 1.0  # nucleus; 1 is off
    top_k: int = 0  # 0 is off
    strategy: Strategy = "sample"  # or greedy, beam, diverse: see `SamplingConfig`, as for the next four
    beams: int = 0
    groups: int = 0
    diversity_penalty: float = 0.5
    length_penalty: float = 1.0
    batch_size: int = 64  # completions decoded at once; with transformers it does not change the texts
    backend: BackendChoice = "auto"  # CTranslate2 where it is installed and can write these; transformers; ctranslate2

    def __post_init__(self) -> None:
        for name, lowest in (("prompts", 0), ("anchor_completions", 0), ("batch_size", 1)):
            if getattr(self, name) < lowest:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must be {lowest} or more.")
        self.sampling()

    def sampling(self) -> SamplingConfig:
        return SamplingConfig(**{field.name: getattr(self, field.name) for field in fields(SamplingConfig)})


CONFIGS: Mapping[str, type[Any]] = {
    RunKind.SFT: SFTConfig,
    RunKind.GENERATE: GenerateConfig,
    RunKind.REWARD: RewardConfig,
    RunKind.PPO: PPOConfig,
    RunKind.DPO: DPOConfig,
    RunKind.EVALUATE: EvaluateConfig,
}
ROUND_KINDS = (RunKind.REWARD, RunKind.EVALUATE, RunKind.GENERATE)
ROUND_PROMPTS = 300  # how many prompts a round writes the next completions for, unless its config says otherwise
TOY = "toy"
# What the tiny policy is trained with from nothing; the defaults are for models that can write already.
TOY_SFT: Mapping[str, Any] = to_mapping(SFT_ON_FILES)


def preset_of(base_model: str) -> str:
    """The values that stand where a config gives none: the tiny policy needs other ones than Flan-T5."""
    return "tiny" if base_model == TOY else "flan"


def config_parse(kind: str, mapping: Mapping[str, Any], *, preset: str = "flan") -> Any:
    """The dataclass of ``kind``. Raises ConfigInvalid on an unknown key or a value out of range."""
    given = {**TOY_SFT, **mapping} if kind == RunKind.SFT and preset == "tiny" else mapping
    try:
        config = with_preset(CONFIGS[kind], {"preset": preset, **given})
        if kind == RunKind.SFT and preset == "tiny":
            require(
                config.method == "full",
                f"method is {config.method}, but the tiny policy is made from nothing: only full can train it",
            )
    except ConfigError as error:
        raise ConfigInvalid(f"{kind}: {error}", fields={"config": [str(error)]}) from error
    return config


def config_validate(kind: str, mapping: Mapping[str, Any], *, preset: str) -> dict[str, Any]:
    """The whole config, defaults filled in, as it is stored with the run."""
    return to_mapping(config_parse(kind, mapping, preset=preset))


def round_config_validate(algorithm: str, mapping: Mapping[str, Any], *, preset: str) -> dict[str, Any]:
    """``{reward, ppo or dpo, evaluate, generate}``, each whole. Raises ConfigInvalid."""
    kinds = [*(kind.value for kind in ROUND_KINDS), Algorithm(algorithm).value]
    keys_known(mapping, kinds, what="A round's config")
    for key, value in mapping.items():
        if not isinstance(value, Mapping):
            raise ConfigInvalid(f"{key} is {value!r}: it must be an object with the settings of that run.")
    given: dict[str, Mapping[str, Any]] = {kind: mapping.get(kind, {}) for kind in kinds}
    given["generate"] = {"prompts": ROUND_PROMPTS, **given["generate"]}
    return {kind: config_validate(kind, settings, preset=preset) for kind, settings in given.items()}


def keys_known(mapping: Mapping[str, Any], known: list[str], *, what: str) -> None:
    """Raise ConfigInvalid when a key is not known; the message names the nearest that is."""
    for key in mapping:
        if key not in known:
            nearest = get_close_matches(str(key), known, n=1, cutoff=0.0)
            hint = f"Did you mean '{nearest[0]}'? " if nearest else ""
            raise ConfigInvalid(f"{what} has no '{key}'. {hint}Known: {', '.join(known) or 'none'}.")
