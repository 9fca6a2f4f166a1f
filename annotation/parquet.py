"""Parquet files written a row group at a time, so that neither their rows nor their texts fill the memory."""

from collections.abc import Mapping
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ROW_GROUP = 5000  # rows
ROW_GROUP_TEXT = 2 * 1024 * 1024  # characters


class ParquetFile:
    """A new file: rows are held until there are ROW_GROUP of them, or as much text as ROW_GROUP_TEXT."""

    def __init__(self, place: "Path | IO[bytes]", schema: Any) -> None:
        import pyarrow.parquet  # 100 ms that only exports and snapshots cost

        self.count = 0
        self._schema = schema
        # Without the least and the greatest text of each column and group, which the footer holds to the end.
        self._writer = pyarrow.parquet.ParquetWriter(place, schema, write_statistics=False)
        self._waiting: list[Mapping[str, Any]] = []
        self._text = 0

    def __enter__(self) -> "ParquetFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self._flush()
        finally:
            self._writer.close()

    def write(self, row: Mapping[str, Any]) -> None:
        self._waiting.append(row)
        self._text += _characters(row)
        self.count += 1
        if len(self._waiting) == ROW_GROUP or self._text >= ROW_GROUP_TEXT:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if self._waiting:
            self._writer.write_table(pyarrow.Table.from_pylist(self._waiting, schema=self._schema))
        self._waiting, self._text = [], 0


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    return sum(map(_characters, value)) if isinstance(value, list) else 1
