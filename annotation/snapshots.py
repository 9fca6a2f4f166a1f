"""Frozen exports of the current rankings, named by what they say: the sha256 of their sorted canonical lines.

Nothing here holds a snapshot in memory: lines are sorted in pieces on disk and merged (`lines_sort`).
"""

import hashlib
import heapq
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from annotation.canonical import canonical_groups, pseudonym
from annotation.exceptions import Conflict
from annotation.models import Snapshot
from annotation.parquet import ParquetFile
from annotation.snapshot_card import card

__all__ = ["FILES", "canonical_groups", "draft_folder", "draft_publish", "folder_of", "lines_of", "pseudonym"]

LINES = "rankings.jsonl"
FILES = (LINES, "rankings.parquet", "manifest.json", "README.md")
ROWS_AT_ONCE = 2000
SORTED_AT_ONCE = 32 * 1024 * 1024  # bytes of lines


def folder_of(path: str) -> Path:
    """A snapshot's folder on this machine."""
    return Path(settings.DATA_DIR) / path


def lines_of(snapshot: Snapshot) -> Iterator[bytes]:
    """A snapshot's canonical lines, in their order. Raises Conflict where its files are not there any more."""
    path = folder_of(snapshot.path) / LINES
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise Conflict(
            f"The files of snapshot {snapshot.sha256[:12]} are not in the data folder any more: put its folder back, "
            "or freeze again while the labels are the same."
        ) from None
    with file:
        yield from file


@contextmanager
def draft_folder(path: str) -> Iterator[Path]:
    """A folder beside the snapshot's place, gone afterwards unless it was published."""
    parent = folder_of(path)
    parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=parent))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def lines_sort(lines: Iterable[bytes], draft: Path) -> str:
    """Write ``lines`` sorted by their bytes into the draft; their sha256. Memory does not grow with their number."""
    pieces = [_piece(piece, draft, number) for number, piece in enumerate(_in_pieces(lines))]
    digest = hashlib.sha256()
    with ExitStack() as stack:
        files: list[BinaryIO] = [stack.enter_context(piece.open("rb")) for piece in pieces]
        with (draft / LINES).open("wb") as out:
            for line in heapq.merge(*files):
                digest.update(line)
                out.write(line)
    for piece in pieces:
        piece.unlink()
    return digest.hexdigest()


def _in_pieces(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= SORTED_AT_ONCE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _piece(lines: list[bytes], draft: Path, number: int) -> Path:
    path = draft / f"piece-{number}"
    lines.sort()
    with path.open("wb") as file:
        file.writelines(lines)
    lines.clear()
    return path


def draft_publish(draft: Path, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Add what belongs to the draft's lines and rename it into its place: there whole, or not at all."""
    _write_parquet(draft)
    (draft / "README.md").write_text(card(manifest), encoding="utf-8")
    (draft / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.chmod(0o755)  # mkdtemp's is for its owner alone
    try:
        os.rename(draft, folder)
    except OSError:
        if not (folder / "manifest.json").exists():
            raise
        # Somebody else wrote the same labels in between: theirs is as good.


def _write_parquet(draft: Path) -> None:
    import pyarrow  # 100 ms that only snapshots and exports cost

    schema = pyarrow.schema(
        [
            ("annotator", pyarrow.string()),
            ("completions", pyarrow.list_(pyarrow.string())),
            ("groups", pyarrow.list_(pyarrow.list_(pyarrow.int32()))),
            ("method", pyarrow.string()),
            ("none_acceptable", pyarrow.bool_()),
            ("prompt", pyarrow.string()),
            ("split", pyarrow.string()),
            ("strengths", pyarrow.list_(pyarrow.int32())),
        ]
    )
    with (draft / LINES).open("rb") as lines, ParquetFile(draft / "rankings.parquet", schema) as out:
        for line in lines:
            out.write(json.loads(line))
