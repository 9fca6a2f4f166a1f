"""Preference pairs for other tools, streamed: JSONL, CSV or Parquet.

``trl``: TRL's preference layout with an explicit prompt (``prompt, chosen, rejected``), ties left out.
``full``: ties too, with ``ranking, annotator, strength, tie, weight, split``.
In CSV, a text that a spreadsheet would run as a formula (it begins with = + - @, a tab or a carriage
return) gets an apostrophe before it. JSONL and Parquet hold every text as it is: train from those.
"""

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, Literal

from annotation.exceptions import InvalidInput
from annotation.models import PreferencePair, Project
from annotation.snapshots import pseudonym

Layout = Literal["trl", "full"]
LAYOUTS: dict[str, tuple[str, ...]] = {
    "trl": ("prompt", "chosen", "rejected"),
    "full": ("prompt", "chosen", "rejected", "ranking", "annotator", "strength", "tie", "weight", "split"),
}
FORMATS = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
ROWS_AT_ONCE = 2000
# Inside a JSON string they are allowed as they are, but Python's splitlines and some tools cut there.
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export_check(*, format: str, layout: str) -> None:  # noqa: A002 -- the query's own name
    """Raise InvalidInput for a format or layout that is none of ours."""
    if format not in FORMATS:
        message = f"'{format}' is no format: {', '.join(FORMATS)}."
        raise InvalidInput(message, fields={"format": [message]})
    if layout not in LAYOUTS:
        message = f"'{layout}' is no layout: {', '.join(LAYOUTS)}."
        raise InvalidInput(message, fields={"layout": [message]})


def pair_rows(*, project: Project, layout: str) -> Iterator[dict[str, Any]]:
    """The current pairs, oldest first, a batch of them in memory at a time."""
    rows = PreferencePair.objects.filter(project=project).order_by("id")
    if layout == "trl":
        rows = rows.filter(tie=False)
    fields = ["prompt__text", "chosen__text", "rejected__text"]
    if layout == "full":
        fields += ["ranking_id", "annotator__username", "strength", "tie", "weight", "split"]
    names = LAYOUTS[layout]
    known: dict[str, str] = {}
    for values in rows.values_list(*fields).iterator(chunk_size=ROWS_AT_ONCE):
        row = dict(zip(names, values, strict=True))
        if layout == "full":
            username = row["annotator"]
            row["annotator"] = known.setdefault(username, pseudonym(username=username, salt=project.split_salt))
        yield row


def pairs_as_lines(*, project: Project, format: str, layout: str) -> Iterator[bytes]:  # noqa: A002
    """JSONL or CSV, in pieces of some kilobytes."""
    rows = pair_rows(project=project, layout=layout)
    pieces = _json_lines(rows) if format == "jsonl" else _csv_lines(rows, LAYOUTS[layout])
    while block := "".join(islice(pieces, 200)):
        yield block.encode()


def pairs_as_parquet(*, project: Project, layout: str, file: IO[bytes]) -> None:
    """Write the Parquet file; its index stands at its end, so it cannot be streamed."""
    import pyarrow  # 100 ms that only this format costs
    import pyarrow.parquet

    types = {
        "ranking": pyarrow.int64(),
        "strength": pyarrow.int8(),
        "tie": pyarrow.bool_(),
        "weight": pyarrow.float64(),
    }
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in LAYOUTS[layout]])
    rows = pair_rows(project=project, layout=layout)
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))


def _json_lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS) + "\n"


def _csv_lines(rows: Iterator[dict[str, Any]], names: tuple[str, ...]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    for row in rows:
        writer.writerow([formula_safe(row[name]) for name in names])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def formula_safe(value: Any) -> Any:
    """A cell that no spreadsheet runs."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
