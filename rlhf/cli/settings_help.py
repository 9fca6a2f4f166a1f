"""The settings of a command for its ``--help``: each key with its default and the comment beside it in the source."""

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, cast, get_args, get_type_hints

from rlhf.config import to_mapping

_FIELD = re.compile(r"    (\w+): .*?(?:\s#\s*(?P<words>.*))?$")
_WIDTH = 34


def settings_lines(cls: type[object], prefix: str = "") -> Iterator[str]:
    """``key = default   comment`` for each setting; those of a nested config follow with its name and a dot."""
    comments = _comments(cls)
    hints = get_type_hints(cls)
    for field in fields(cast(Any, cls)):
        key, inner = prefix + field.name, _nested(hints[field.name])
        default = _default(field)
        if inner is None or default is None:
            yield f"  {key + ' = ' + _toml(default):{_WIDTH}} {comments.get(field.name, '')}".rstrip()
        if inner is not None:
            yield from settings_lines(inner, f"{key}.")


def _comments(cls: type[object]) -> dict[str, str]:
    written = [base for base in reversed(cls.__mro__) if is_dataclass(base)]
    found = (_FIELD.match(line) for base in written for line in inspect.getsource(base).splitlines())
    return {match[1]: match["words"] or "" for match in found if match}


def _default(field: Any) -> object:
    if field.default is not MISSING:
        return field.default
    return None if field.default_factory is MISSING else field.default_factory()


def _nested(hint: Any) -> type[object] | None:
    """The config inside ``X`` or ``X | None``."""
    return next((one for one in (hint, *get_args(hint)) if is_dataclass(one) and isinstance(one, type)), None)


def _toml(value: object) -> str:
    if value is None:
        return '"none"'
    return json.dumps(to_mapping(value) if is_dataclass(value) else value)
