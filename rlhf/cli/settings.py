"""A command's settings: a preset, a TOML file above it, and each ``--set`` above that."""

import argparse
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from rlhf.exceptions import ConfigError
from rlhf.training_config import with_preset

C = TypeVar("C")


def settings_of(cls: type[C], options: argparse.Namespace) -> C:
    """The config ``cls``. Raises ConfigError for a file that is not TOML, an unknown key or an impossible value."""
    return with_preset(cls, given(options))


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What ``--config``, ``--preset`` and ``--set`` say, the later above the earlier."""
    mapping = read_toml(options.config) if options.config else {}
    if options.preset is not None:
        mapping["preset"] = options.preset
    for setting in options.set:
        put(mapping, setting)
    return mapping


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables. Raises ConfigError, with line and column where it is not TOML."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--config {path} is not TOML: {error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"--config {path} is not UTF-8 (at line {line}): save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"--config {path} cannot be read: {error.strerror}.") from error


def put(mapping: dict[str, Any], setting: str) -> None:
    """Put ``name.of.key=value`` into nested tables. Raises ConfigError where that is not what it says."""
    name, equals, text = setting.partition("=")
    path = [key.strip() for key in name.split(".")]
    if not equals or not all(path):
        raise ConfigError(f"--set takes KEY=VALUE, such as lora.rank=8, not {setting!r}.")
    place = mapping
    for depth, key in enumerate(path[:-1], start=1):
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {setting}: {'.'.join(path[:depth])} is {place!r}, which has no keys.")
    place[path[-1]] = value_of(text.strip())


def value_of(text: str) -> object:
    """A TOML value; what is none is a text, so that a word needs no quotes."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # "1\nother = 2" would be two.
    return parsed["value"] if list(parsed) == ["value"] else text
