"""Descriptions of rewards as JSON and TOML: read with errors that name the place, written with relative paths."""

import json
import os
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from rlhf.config import from_mapping, require, to_mapping
from rlhf.exceptions import ConfigError
from rlhf.reward_spec import KINDS, ClassifierSpec, ModelSpec, PartSpec, RewardSpec, SumSpec, kind_of

DESCRIPTION = "reward-description.json"
"""What a training writes beside its policy: the description it used, standardised parts with their mean and sd."""

_PART_KEYS = ("weight", "name", "standardise", "mean", "sd")


def read_reward_spec(path: Path) -> RewardSpec:
    """The description in a ``.json`` or ``.toml`` file, or the reward model in a folder. Raises ConfigError."""
    if path.is_dir() or path.suffix not in (".json", ".toml"):
        return ModelSpec(str(path))
    try:
        text = path.read_text(encoding="utf-8")
        mapping = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no readable description of a reward: {error}") from error
    try:
        return reward_spec(mapping, folder=path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def reward_spec(mapping: Mapping[str, object], *, folder: Path = Path(), where: str = "reward") -> RewardSpec:
    """The description in ``mapping``; relative paths start at ``folder``.

    Raises ConfigError for an unknown kind or key, a wrong type or a value out of range; ``where`` says at which place.
    """
    return _spec(mapping, folder, where, also=())


def _spec(mapping: Mapping[str, object], folder: Path, where: str, *, also: Sequence[str]) -> RewardSpec:
    """The same; ``also`` are the keys that the place allows beside those of the kind."""
    require(isinstance(mapping, Mapping), f"{where} must be an object with keys, not {mapping!r}")
    values = dict(mapping)
    kind = values.pop("kind", None)
    require(
        isinstance(kind, str) and kind in KINDS, f"{where}.kind must be one of {', '.join(KINDS)}, not {kind!r}"
    )  # fmt: skip
    cls = KINDS[str(kind)]
    known = [*(one.name for one in fields(cls)), *also]
    for key in values:
        require(key in known, f"{where} has no key {key!r}; kind {kind} knows {', '.join(known)}")
    values = {key: value for key, value in values.items() if key not in also}
    if kind == "sum":
        values["parts"] = _parts(values.get("parts"), folder, where)
    try:
        return _placed(from_mapping(cls, values), folder)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def described(spec: RewardSpec, folder: Path) -> dict[str, object]:
    """``spec`` as the mapping that `reward_spec` reads, its paths relative to ``folder``."""
    values = to_mapping(spec)
    if isinstance(spec, SumSpec):
        values["parts"] = [
            described(part.reward, folder)
            | {key: getattr(part, key) for key in _PART_KEYS if getattr(part, key) is not None}
            for part in spec.parts
        ]
    for key in ("path", "source"):
        if key in values and Path(str(values[key])).is_dir():
            values[key] = os.path.join(".", os.path.relpath(str(values[key]), folder))
    return {"kind": kind_of(spec), **{key: value for key, value in values.items() if value is not None}}


def _parts(given: object, folder: Path, where: str) -> tuple[PartSpec, ...]:
    require(isinstance(given, Sequence) and not isinstance(given, str), f"{where}.parts must be a list, not {given!r}")
    assert isinstance(given, Sequence)
    return _named([_part(one, folder, f"{where}.parts[{index}]") for index, one in enumerate(given)])


def _part(given: object, folder: Path, where: str) -> PartSpec:
    require(isinstance(given, Mapping), f"{where} must be an object with keys, not {given!r}")
    assert isinstance(given, Mapping)
    own = {key: value for key, value in given.items() if key in _PART_KEYS and value is not None}
    reward = _spec(given, folder, where, also=_PART_KEYS)
    try:
        return from_mapping(PartSpec, {"reward": reward, **own})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _named(parts: Sequence[PartSpec]) -> tuple[PartSpec, ...]:
    """Each part without a name gets its kind's, numbered from the second on."""
    named: list[PartSpec] = []
    seen: Counter[str] = Counter()
    for part in parts:
        kind = kind_of(part.reward)
        seen[kind] += not part.name
        named.append(part if part.name else replace(part, name=kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"))
    return tuple(named)


def _placed(spec: Any, folder: Path) -> RewardSpec:
    """Paths relative to ``folder`` made whole; a source that is no folder there is a hub name and stays."""
    if isinstance(spec, ModelSpec):
        return replace(spec, path=str(folder / Path(spec.path).expanduser()))
    if isinstance(spec, ClassifierSpec) and (folder / Path(spec.source).expanduser()).is_dir():
        return replace(spec, source=str(folder / Path(spec.source).expanduser()))
    placed: RewardSpec = spec
    return placed
