"""Files of people, line by line: JSONL, JSON list, CSV and Parquet, each of them gzipped or not.

What a file is, its first bytes say; the name only tells CSV from TSV. A single bad line becomes a
``BadRow`` and reading goes on; a file that cannot be read to its end is ``ImportRefused``. No file is
held in memory: at most one line, one item of a list or one batch of a Parquet file is.
"""

import csv
import gzip
import io
import json
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from annotation.exceptions import ImportRefused

if TYPE_CHECKING:
    from _csv import Reader

MAX_FILE = 128 * 1024 * 1024
MAX_UNPACKED = 512 * 1024 * 1024
MAX_LINE = 2 * 1024 * 1024
MAX_ROWS = 200_000
_IN_MEMORY = 8 * 1024 * 1024
_BLOCK = 256 * 1024
_TOLD_EVERY = 500  # rows
_BLANK = re.compile(r"[ \t\r\n]*")
_WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK": "a ZIP or Excel file", b"%P": "a PDF"}
Needs = Sequence[Sequence[str]]
Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, and how much there is
csv.field_size_limit(MAX_LINE)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value.")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


@dataclass(frozen=True)
class Row:
    """One object of the file; ``line`` is its line, in a JSON list or Parquet file its number, from 1."""

    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class BadRow:
    line: int
    error: str


def rows_of(
    file: BinaryIO, name: str = "", needs: Needs = (), *, limited: bool = True, progress: Progress | None = None
) -> Iterator[Row | BadRow]:
    """The rows of an open file. Raises ImportRefused while it is read.

    Of each group of names in ``needs``, a file with columns must have one. ``limited`` is for what comes over the
    network: who has the machine may import a file of any size.
    """
    size = file.seek(0, io.SEEK_END)
    if limited and size > MAX_FILE:
        raise ImportRefused(f"The file has {size:,} bytes; {MAX_FILE:,} is the most. Import it in parts.")
    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    source = io.BufferedReader(_Unpacked(file, limited=limited), _BLOCK) if packed else file
    rows = _rows(source, name.removesuffix(".gz") if packed else name, needs)
    for number, row in enumerate(rows, start=1):
        if limited and number > MAX_ROWS:
            raise ImportRefused(f"The file has more than {MAX_ROWS:,} rows. Import it in parts.")
        if progress is not None and number % _TOLD_EVERY == 0:
            progress("reading", file.tell(), size)
        yield row


def rows_of_items(items: Iterable[Any]) -> Iterator[Row | BadRow]:
    """The same for objects that are in memory already."""
    for number, item in enumerate(items, start=1):
        yield _row(number, item)


class _Unpacked(io.RawIOBase):
    """What a gzip file holds; it can be read again from its beginning."""

    def __init__(self, file: BinaryIO, *, limited: bool) -> None:
        self._gzip = gzip.GzipFile(fileobj=file)
        self._limited = limited

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._gzip.seek(offset, whence)

    def tell(self) -> int:
        return self._gzip.tell()

    def readinto(self, buffer: Any) -> int:
        try:
            block = self._gzip.read(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            raise ImportRefused(f"The gzip file is broken ({error}): nothing was imported.") from error
        if self._limited and self._gzip.tell() > MAX_UNPACKED:
            raise ImportRefused(f"The file unpacks to more than {MAX_UNPACKED:,} bytes. Import it in parts.")
        buffer[: len(block)] = block
        return len(block)


def _rows(file: IO[bytes], name: str, needs: Needs) -> Iterator[Row | BadRow]:
    head = file.read(4096)
    file.seek(0)
    if not head:
        raise ImportRefused("The file is empty.")
    if head[:4] == b"PAR1":
        return _parquet(file, needs)
    if kind := _WIDE.get(head[:2]):
        raise ImportRefused(f"This is {kind}: save it as JSONL, CSV or Parquet, in UTF-8.")
    if b"\x00" in head:
        raise ImportRefused("This is no text: JSONL, CSV and Parquet can be imported, gzipped or not.")
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"[":
        return _json_list(file)
    if first == b"{" or re.search(r"\.(jsonl|ndjson)$", name, re.IGNORECASE):
        return _json_lines(file)
    return _csv(file, "\t" if name.lower().endswith(".tsv") else ",", needs)


def _row(line: int, value: Any) -> Row | BadRow:
    return Row(line, value) if isinstance(value, dict) else BadRow(line, "Not a JSON object with named fields.")


def _json_lines(file: IO[bytes]) -> Iterator[Row | BadRow]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE)
            yield BadRow(number, f"The line has more than {MAX_LINE:,} bytes.")
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if text.strip():
                yield _row(number, _JSON.decode(text))
        except UnicodeDecodeError as error:
            yield BadRow(number, f"Not UTF-8: byte {error.start + 1} of the line is 0x{line[error.start]:02x}.")
        except json.JSONDecodeError as error:
            yield BadRow(number, f"Not JSON: {error.msg} at column {error.colno}.")
        except (ValueError, RecursionError) as error:
            yield BadRow(number, f"Not JSON: {error}")


def _json_list(file: IO[bytes]) -> Iterator[Row | BadRow]:
    text = io.TextIOWrapper(_Open(file), encoding="utf-8-sig", newline="")
    try:
        yield from rows_of_items(_items(text))
    except UnicodeDecodeError as error:
        raise ImportRefused(f"The file is not UTF-8: byte {error.start + 1}. Nothing was imported.") from error
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"The JSON list cannot be read: {error}. Nothing was imported.") from error


def _items(text: IO[str]) -> Iterator[Any]:
    """The items of a JSON list, one after the other. Raises ValueError where it is none."""
    held, place, count = text.read(_BLOCK).lstrip()[1:], 0, 0
    between = True  # the beginning counts as a comma, but the list may end there
    while True:
        place = _BLANK.match(held, place).end()  # type: ignore[union-attr]  # it matches nothing, too
        if place < len(held) and held[place] == "]" and (count == 0 or not between):
            if held[place + 1 :].strip() or text.read().strip():
                raise ValueError(f"something follows the list of {count} items")
            return
        if not between and place < len(held):
            if held[place] != ",":
                raise ValueError(f"there is no comma after item {count}")
            place, between = place + 1, True
            continue
        why = f"it ends with item {count + between}"
        if between:
            try:
                item, end = _JSON.raw_decode(held, place)
            except json.JSONDecodeError as error:
                end, why = len(held), f"{error.msg} in item {count + 1}"
            # A number that ends where the block does may go on in the next.
            if end < len(held):
                yield item
                place, count, between = end, count + 1, False
                continue
        if len(held) - place > MAX_LINE:
            raise ValueError(f"{why}, or the item has more than {MAX_LINE:,} characters")
        block = text.read(_BLOCK)
        if not block:
            raise ValueError(why)
        held, place = held[place:] + block, 0


def _csv(file: IO[bytes], delimiter: str, needs: Needs) -> Iterator[Row | BadRow]:
    # Bytes that are no UTF-8 become lone surrogates here, so that only their own row is refused.
    text = io.TextIOWrapper(_Open(file), encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except (csv.Error, StopIteration) as error:
        raise ImportRefused(f"The first line is no CSV header: {error}") from error
    if len(set(header)) < len(header):
        raise ImportRefused("A column's name stands twice in the CSV header.")
    _columns_check(header, needs)
    yield from _csv_rows(reader, header)


def _columns_check(columns: Sequence[str], needs: Needs) -> None:
    for names in needs:
        if not set(names) & set(columns):
            seen = ", ".join(repr(column[:50]) for column in columns[:10])
            raise ImportRefused(f"None of the columns {', '.join(names)} is there, but {seen}. Nothing was imported.")


def _csv_rows(reader: "Reader", header: list[str]) -> Iterator[Row | BadRow]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(line, f"Not CSV: {error}.")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
            yield BadRow(line, "Not UTF-8.")
        elif len(cells) != len(header):
            yield BadRow(line, f"{len(cells)} cells, but the header has {len(header)}.")
        else:
            yield Row(line, dict(zip(header, cells, strict=True)))


class _Open(io.BufferedReader):
    """A view of the caller's file that does not close it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(_Raw(file))


class _Raw(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self.file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def _parquet(file: IO[bytes], needs: Needs) -> Iterator[Row | BadRow]:
    import pyarrow  # 100 ms that only this format costs
    import pyarrow.parquet

    number = 0
    try:
        # A Parquet file is read from its end: one that is gzipped is unpacked before.
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as unpacked:
            if isinstance(file, io.BufferedReader) and isinstance(file.raw, _Unpacked):
                shutil.copyfileobj(file, unpacked)
                file = unpacked
            table = pyarrow.parquet.ParquetFile(file)
            _columns_check(table.schema_arrow.names, needs)
            for batch in table.iter_batches(batch_size=500):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ImportRefused(f"The Parquet file cannot be read ({error}): nothing was imported.") from error
