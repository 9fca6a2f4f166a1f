"""Configs: frozen dataclasses, built from plain mappings, in which an unknown key is an error."""

import difflib
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from rlhf.exceptions import ConfigError

C = TypeVar("C")
SFTMethod = Literal["full", "lora", "prompt", "qlora"]


def from_mapping(cls: type[C], mapping: Mapping[str, object]) -> C:
    """Build the config ``cls`` from a mapping such as decoded JSON or TOML.

    Nested configs may be mappings, tuples may be lists, a float may be written as an integer, and ``"none"`` stands
    for None, which TOML does not have. Raises ConfigError for an unknown key (naming the nearest known one), a wrong
    type or a value out of range, with the key's whole path.
    """
    return _built(cls, mapping, cls.__name__)


def _built(cls: type[C], mapping: Mapping[str, object], name: str) -> C:
    known = {one.name: one for one in fields(cast(Any, cls))}
    hints = get_type_hints(cls)
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{name} has no key {key!r}{_nearest(str(key), list(known))}")
    missing = [
        key
        for key, one in known.items()
        if one.default is MISSING and one.default_factory is MISSING and key not in mapping
    ]
    if missing:
        raise ConfigError(f"{name} needs {', '.join(missing)}")
    values = {key: _convert(f"{name}.{key}", hints[key], value) for key, value in mapping.items()}
    try:
        return cls(**values)
    except ConfigError as error:
        # A nested config knows its fields' names, but not whose it is.
        raise ConfigError(f"{name}: {error}" if "." in name else str(error)) from error


def to_mapping(config: object) -> dict[str, object]:
    """The config as plain JSON data; ``from_mapping`` gives the same config back."""
    return {one.name: _plain(getattr(config, one.name)) for one in fields(cast(Any, config))}


def require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as a sentence where it is used
    """Raise ConfigError with ``message`` unless ``condition`` holds: the range checks of ``__post_init__``."""
    if not condition:
        raise ConfigError(message)


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; it knows {', '.join(sorted(known))}"


def _plain(value: object) -> object:
    if is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _convert(name: str, hint: Any, value: object) -> object:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(name, get_args(hint), value)
    if origin is Literal:
        require(value in get_args(hint), f"{name} must be one of {', '.join(map(str, get_args(hint)))}, not {value!r}")
        return value
    if origin is tuple:
        require(isinstance(value, list | tuple), f"{name} must be a list, not {value!r}")
        return tuple(_convert(name, get_args(hint)[0], item) for item in cast(list[object], value))
    if is_dataclass(hint):
        if isinstance(value, cast(type, hint)):
            return value
        require(isinstance(value, Mapping), f"{name} must be an object with keys, not {value!r}")
        return _built(cast(type[object], hint), cast(Mapping[str, object], value), name)
    return _convert_scalar(name, hint, value)


def _convert_union(name: str, options: tuple[Any, ...], value: object) -> object:
    if type(None) in options and (value is None or (value == "none" and str not in options)):
        return None
    errors = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _convert(name, option, value)
        except ConfigError as error:
            errors.append(str(error))
    if type(None) in options:
        errors.append('or "none"')
    raise ConfigError("; ".join(errors))


def _convert_scalar(name: str, hint: Any, value: object) -> object:
    accepts: dict[Any, Callable[[object], bool]] = {
        bool: lambda v: isinstance(v, bool),
        int: lambda v: isinstance(v, int) and not isinstance(v, bool),
        float: lambda v: isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v),
        str: lambda v: isinstance(v, str),
    }
    require(hint in accepts and accepts[hint](value), f"{name} must be {_words(hint)}, not {value!r}")
    return float(cast(float, value)) if hint is float else value


def _words(hint: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text"}
    return names.get(hint, str(hint))


Strategy = Literal["sample", "greedy", "beam", "diverse"]
BackendChoice = Literal["auto", "transformers", "ctranslate2"]


@dataclass(frozen=True)
class SamplingConfig:
    """How completions are decoded. For reinforcement learning the strategy has to be ``sample``."""

    max_new_tokens: int = 64  # tokens after which an unfinished completion is given up (its EOS included)
    temperature: float = 1.0  # of sample: logits are divided by it
    top_p: float = 1.0  # of sample, nucleus: the smallest set of tokens with this probability; 1 is off
    top_k: int = 0  # of sample: the k likeliest tokens; 0 is off
    strategy: Strategy = (
        "sample"  # by chance; greedy: the likeliest token; beam: the likeliest texts; diverse: in groups
    )
    beams: int = 0  # of beam and diverse: texts followed at once for a prompt; 0 for twice the completions wanted
    groups: int = 0  # of diverse: groups of beams, each led away from those before; 0 for one for each completion
    diversity_penalty: float = 0.5  # of diverse: nats that a token costs for each earlier group's beam that takes it
    length_penalty: float = 1.0  # of beam and diverse: texts compete by log-probability / length ** this

    def __post_init__(self) -> None:
        require(self.max_new_tokens >= 1, f"max_new_tokens must be at least 1, not {self.max_new_tokens}")
        require(self.temperature > 0, f"temperature must be above 0, not {self.temperature}; the limit is greedy")
        require(0 < self.top_p <= 1, f"top_p must be in (0, 1], not {self.top_p}")
        for name in ("top_k", "beams", "groups"):
            require(getattr(self, name) >= 0, f"{name} must be 0 or more, not {getattr(self, name)}")
        require(self.diversity_penalty >= 0, f"diversity_penalty must not be negative: {self.diversity_penalty}")
        self._only("sample", "temperature", "top_p", "top_k")
        self._only("beam, diverse", "beams", "length_penalty")
        self._only("diverse", "groups", "diversity_penalty")

    @property
    def searches(self) -> bool:
        """The strategy finds all completions of a prompt together, best first, and chance plays no part."""
        return self.strategy in ("beam", "diverse")

    def _only(self, strategies: str, *names: str) -> None:
        """A setting that nothing reads would look as if it counted."""
        if self.strategy in strategies.split(", "):
            return
        usual = {field.name: field.default for field in fields(self)}
        for name in names:
            set_to = getattr(self, name)
            require(
                set_to == usual[name], f"{name} is {set_to}, but the strategy is {self.strategy}: it needs {strategies}"
            )


MAX_RANK = 4096  # beyond the width of most layers: nothing low is left, and a slip of the finger would fill the memory


@dataclass(frozen=True)
class LoraSpec:
    """A low-rank adapter (Hu et al. 2021): W + alpha / rank · B A."""

    rank: int = 32  # rows of A
    alpha: int = 32  # scale; alpha = rank gives scale 1
    dropout: float = 0.0  # on the adapter's input, in supervised training only; reward, PPO and DPO need 0
    targets: tuple[str, ...] | Literal["all-linear"] = ("q", "v")  # names of layers; q, v = attention's queries, values
    decoder_only: bool = False  # leaves an encoder as it is: then policy and reference share one reading of a prompt
    modules_to_save: tuple[str, ...] = ()  # layers trained whole beside the low-rank ones, by the end of their names

    def __post_init__(self) -> None:
        require(1 <= self.rank <= MAX_RANK, f"rank must be from 1 to {MAX_RANK}, not {self.rank}")
        require(self.alpha >= 1, f"alpha must be at least 1, not {self.alpha}")
        require(0 <= self.dropout < 1, f"dropout must be in [0, 1), not {self.dropout}")
        require(bool(self.targets), "targets must name at least one layer")
        require(all(self.modules_to_save), "modules_to_save must name layers: an empty name would be every layer")


@dataclass(frozen=True)
class SFTLoraSpec(LoraSpec):
    """The adapter of supervised fine-tuning: dropout does no harm there, because no ratio has to start at 1."""

    dropout: float = 0.05  # on the adapter's input


@dataclass(frozen=True)
class SoftPromptSpec:
    """Prompt tuning (Lester et al. 2021): vectors that stand before every prompt are trained, and nothing else."""

    virtual_tokens: int = 20  # how many vectors; each takes the place of one prompt token
    text: str = ""  # they start as these words, repeated or cut to the number; empty: as random words

    def __post_init__(self) -> None:
        require(self.virtual_tokens >= 1, f"virtual_tokens must be at least 1, not {self.virtual_tokens}")


@dataclass(frozen=True)
class SFTConfig:
    """Supervised fine-tuning: the cross-entropy of each target token given the prompt and what stands before it."""

    method: SFTMethod = "full"  # all weights; lora: an adapter; prompt: a soft prompt; qlora: an adapter on NF4 weights
    epochs: float = 1.0  # passes over the examples; may be a part of one
    batch_size: int = 32  # examples in one step
    micro_batch: int = 0  # examples in one forward of one process, 0 for all; changes memory, not the result
    learning_rate: float | None = None  # the peak; null: the method's own, see `rlhf.sft_methods`
    schedule: Literal["linear", "constant"] = "linear"  # to 0 at the last step, or constant
    warmup: float = 0.03  # share of the steps in which the rate rises from 0
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0
    lora: SFTLoraSpec = field(default_factory=SFTLoraSpec)  # of methods lora and qlora; merged at the end
    prompt: SoftPromptSpec = field(default_factory=SoftPromptSpec)  # of method prompt
    evaluate_every: int = 0  # steps between validations, 0 for once an epoch
    patience: int = 0  # validations without improvement until it stops, 0 for never; above 0 the best weights stay
    checkpoint_every: int = 0  # steps between checkpoints that a broken training resumes from, 0 for none
    keep_checkpoints: int = 2  # the newest ones that stay

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "max_gradient_norm", "keep_checkpoints"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("micro_batch", "weight_decay", "evaluate_every", "patience", "checkpoint_every"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(0 <= self.warmup <= 1, f"warmup must be in [0, 1], not {self.warmup}")
        rate = self.learning_rate
        require(rate is None or rate > 0, f"learning_rate must be above 0 or null for the method's own, not {rate}")
        # A spec that nothing reads would look as if it counted.
        adapted = self.method in ("lora", "qlora") or self.lora == SFTLoraSpec()
        require(adapted, f"lora is set, but the method is {self.method}: set method to lora or qlora")
        prompted = self.method == "prompt" or self.prompt == SoftPromptSpec()
        require(prompted, f"prompt is set, but the method is {self.method}: set method to prompt")
