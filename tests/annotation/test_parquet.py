"""Parquet files in pieces: what is written is what is read, and no piece is too big."""

import pyarrow
import pyarrow.parquet
import pytest

from annotation.parquet import ParquetFile

SCHEMA = pyarrow.schema([("text", pyarrow.string()), ("texts", pyarrow.list_(pyarrow.string()))])
ROWS = [{"text": f"{number}\u2028", "texts": ["x" * 40, "é"]} for number in range(10)]


def groups(path):
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def write(path, rows=ROWS):
    with ParquetFile(path, SCHEMA) as file:
        for row in rows:
            file.write(row)
    return file.count


def test_every_row_is_read_again_in_order(tmp_path):
    assert write(tmp_path / "out") == 10
    assert pyarrow.parquet.read_table(tmp_path / "out").to_pylist() == ROWS


def test_a_row_group_holds_so_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("annotation.parquet.ROW_GROUP", 4)
    write(tmp_path / "out")
    assert groups(tmp_path / "out") == [4, 4, 2]


def test_a_row_group_holds_so_much_text(tmp_path, monkeypatch):
    monkeypatch.setattr("annotation.parquet.ROW_GROUP_TEXT", 100)
    write(tmp_path / "out")
    assert groups(tmp_path / "out") == [3, 3, 3, 1]


def test_no_rows_are_an_empty_file(tmp_path):
    assert write(tmp_path / "out", []) == 0
    assert pyarrow.parquet.read_table(tmp_path / "out").num_rows == 0


def test_the_footer_does_not_grow_with_the_texts(tmp_path, monkeypatch):
    monkeypatch.setattr("annotation.parquet.ROW_GROUP_TEXT", 100)
    write(tmp_path / "out")
    column = pyarrow.parquet.ParquetFile(tmp_path / "out").metadata.row_group(0).column(0)
    assert not column.is_stats_set


def test_an_error_is_not_hidden_by_the_rows_that_wait(tmp_path):
    def failing():
        yield ROWS[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "out", failing())
