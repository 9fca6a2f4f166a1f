"""Pairs and rankings for other tools, streamed: JSONL, CSV, Parquet, or a folder that HF `datasets` loads.

Layouts of pairs. ``trl``: TRL's preference layout with an explicit prompt (``prompt, chosen, rejected``), ties left
out. ``trl_conversational``: the same as lists of messages. ``full``: ties too, with
``ranking, annotator, strength, tie, weight, split``.
In CSV, a text that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage
return) gets an apostrophe before it, and lists are JSON. JSONL and Parquet hold every text as it is: train from those.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from annotation.exceptions import InvalidInput
from annotation.export_rows import PAIRS, RANKINGS, Row, pair_rows, ranking_rows, schema_of
from annotation.models import Project
from annotation.parquet import ParquetFile

LAYOUTS = PAIRS
FORMATS = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "datasets": "application/zip",
}
LINES = ("jsonl", "csv")  # what is sent while it is read; the others are files first
# Inside a JSON string they are allowed as they are, but Python's splitlines and some tools cut there.
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Export:
    """What is exported: its name, its columns, and its rows with the split of each. ``rows()`` reads them anew."""

    project: Project
    name: str  # pairs or rankings
    layout: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[tuple[str, Row]]]

    def schema(self) -> Any:
        """The pyarrow schema of its columns."""
        return schema_of(self.columns, conversational=self.layout == "trl_conversational")


def pairs_export(*, project: Project, layout: str = "trl") -> Export:
    """The pairs of the labels that models learn from; InvalidInput for a layout that is none of ours."""
    if layout not in LAYOUTS:
        message = f"'{layout}' is no layout: {', '.join(LAYOUTS)}."
        raise InvalidInput(message, fields={"layout": [message]})
    return Export(project, "pairs", layout, LAYOUTS[layout], lambda: pair_rows(project=project, layout=layout))


def rankings_export(*, project: Project) -> Export:
    """One row for each current label, with everything its annotator said."""
    return Export(project, "rankings", "full", RANKINGS, lambda: ranking_rows(project=project))


def format_check(format: str) -> None:  # noqa: A002 -- the query's own name
    """Raise InvalidInput for a format that is none of ours."""
    if format not in FORMATS:
        message = f"'{format}' is no format: {', '.join(FORMATS)}."
        raise InvalidInput(message, fields={"format": [message]})


def file_name(export: Export, format: str) -> str:  # noqa: A002
    """What the file is called, ``talks-pairs.jsonl``."""
    return f"{export.project.slug}-{export.name}.{'zip' if format == 'datasets' else format}"


def as_lines(export: Export, format: str) -> Iterator[bytes]:  # noqa: A002
    """JSONL or CSV, in pieces of some kilobytes."""
    rows = (row for _, row in export.rows())
    pieces = _json_lines(rows) if format == "jsonl" else _csv_lines(rows, export.columns)
    while block := "".join(islice(pieces, 200)):
        yield block.encode()


def as_parquet(export: Export, file: IO[bytes]) -> None:
    """Write one Parquet file; its index stands at its end, so it cannot be streamed."""
    with ParquetFile(file, export.schema()) as out:
        for _, row in export.rows():
            out.write(row)


def _json_lines(rows: Iterator[Row]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS) + "\n"


def _csv_lines(rows: Iterator[Row], names: tuple[str, ...]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in names])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _cell(value: Any) -> Any:
    return formula_safe(json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value)


def formula_safe(value: Any) -> Any:
    """A cell that no spreadsheet runs."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
