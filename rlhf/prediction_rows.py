"""Files of predictions, ours or others': JSON lines, plain or gzip, read one after another and never as a whole."""

import gzip
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rlhf.evaluation_config import PredictionsConfig
from rlhf.exceptions import DataError

Tell = Callable[[int, int], None]  # told how many of the file's bytes are read; may raise Cancelled
Raw = tuple[str, dict[str, Any]]  # (“file, line n”, the line's object)
_TELL_EVERY = 64  # lines


@dataclass(frozen=True)
class Row:
    """What is scored of a line: its text, the baseline's where there is one, and what they are held against."""

    text: str
    baseline: str | None
    references: tuple[str, ...]
    source: str


def prediction_rows(path: Path, config: PredictionsConfig, baseline: Path | None, tell: Tell) -> Iterator[Row]:
    """The rows of ``path``; the baseline's texts stand in its ``baseline_field`` or, line for line, in ``baseline``.

    Raises DataError naming file, line and field for a file that cannot be read, is damaged or empty, for a line that
    is not an object with the fields wanted, and for a baseline of other lines or other references.
    """
    empty = True
    for ours, theirs in _paired(path, baseline, tell):
        empty = False
        yield _row(ours, theirs, config)
    if empty:
        raise DataError(f"{path} is empty: it holds no predictions; one JSON object on each line is needed.")


def _paired(path: Path, baseline: Path | None, tell: Tell) -> Iterator[tuple[Raw, Raw | None]]:
    if baseline is None:
        yield from ((ours, None) for ours in raw_rows(path, tell))
        return
    for ours, theirs in zip_longest(raw_rows(path, tell), raw_rows(baseline, lambda done, total: None)):
        if ours is None or theirs is None:
            shorter, longer = (path, theirs[0]) if ours is None else (baseline, ours[0])
            raise DataError(f"{shorter} ends before {longer}: a paired difference needs the same lines in both files.")
        yield ours, theirs


def _row(ours: Raw, theirs: Raw | None, config: PredictionsConfig) -> Row:
    other = config.baseline_field or (config.prediction_field if theirs else "")
    references = _references(ours, config.references_field) if "rouge" in config.metrics else ()
    if theirs is not None:
        _check_same(ours, theirs, config, references)
    return Row(
        text=_text(ours, config.prediction_field),
        baseline=_text(theirs or ours, other) if other else None,
        references=references,
        source=_text(ours, config.source_field) if "source" in config.metrics else "",
    )


def _check_same(ours: Raw, theirs: Raw, config: PredictionsConfig, references: tuple[str, ...]) -> None:
    """Two files can only be compared line by line where both are of the same prompts."""
    named = ours[1].get("id"), theirs[1].get("id")
    if None not in named and named[0] != named[1]:
        raise DataError(f"{theirs[0]}: the id is {named[1]!r}, but {named[0]!r} in {ours[0]}: the lines differ.")
    field = config.references_field
    if references and field in theirs[1] and _references(theirs, field) != references:
        raise DataError(f"{theirs[0]}: {field!r} is not that of {ours[0]}: the two are not of the same prompts.")


def raw_rows(path: Path, tell: Tell) -> Iterator[Raw]:
    """Each line that is not blank; gzip is known by its first bytes, not by the file's name."""
    number = 0
    try:
        with path.open("rb") as file:
            lines = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    where = f"{path}, line {number}"
                    yield where, _object(line, where, rest=lines)
                if number % _TELL_EVERY == 0:
                    _tell(file, tell)
            _tell(file, tell)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged after line {number} ({error}): make it again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _tell(file: io.BufferedReader, tell: Tell) -> None:
    if file.seekable():
        tell(file.tell(), os.fstat(file.fileno()).st_size)


def _object(line: bytes, where: str, rest: Iterable[bytes]) -> dict[str, Any]:
    """The line's object. A bad line may be damaged gzip, whose sum stands at its end: reading ``rest`` would tell."""
    try:
        return _checked(line, where)
    except DataError:
        for _line in rest:
            pass
        raise


def _checked(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 (byte {error.start + 1}): save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg} at column {error.colno}): one object on each line.") from error
    except RecursionError as error:
        raise DataError(f"{where}: nested too deeply to be a prediction.") from error
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"{where}: no Python object can hold this JSON ({error}).") from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: must be an object with fields, not {_shown(row)}.")
    return row


def _text(raw: Raw, field: str) -> str:
    where, row = raw
    value = _field(raw, field)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # as `generate --n 1` writes them
    if not isinstance(value, str):
        raise DataError(f"{where}: {field!r} must be a text, or a list of one text, not {_shown(row[field])}.")
    return value


def _references(raw: Raw, field: str) -> tuple[str, ...]:
    found = _field(raw, field)
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        raise DataError(f"{raw[0]}: {field!r} must be a text or a list of texts, not {_shown(found)}.")
    return tuple(texts)


def _field(raw: Raw, field: str) -> object:
    where, row = raw
    if field not in row:
        raise DataError(f"{where}: no field {field!r}; it has {', '.join(map(repr, sorted(row))) or 'none'}.")
    return row[field]


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "…"
