"""What changed from one snapshot to another. Both files are sorted, so they are merged line by line."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from annotation.canonical import fingerprint
from annotation.models import Snapshot
from annotation.services.recount import retracted_lines
from annotation.snapshots import lines_of

SHOWN = 20
MOST_SHOWN = 200


@dataclass
class Change:
    """How many lines of one kind there are, and the first of them: ``{before, after}``, null where there is none."""

    count: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Difference:
    """From one snapshot to another, in lines, that is, rankings.

    ``changed``: the same person said something else of the same completions. ``retracted``: gone, and taken back.
    ``gone``: gone for another reason (overruled by a reviewer, deleted, or its text changed).
    """

    same: int = 0
    added: Change = field(default_factory=Change)
    changed: Change = field(default_factory=Change)
    retracted: Change = field(default_factory=Change)
    gone: Change = field(default_factory=Change)


def snapshot_diff(*, before: Snapshot, after: Snapshot, shown: int = SHOWN) -> Difference:
    """Compare two snapshots of a project. Raises Conflict where the files of one are not there any more."""
    return lines_diff(lines_of(before), lines_of(after), retracted_lines(before.project), shown=shown)


def lines_diff(
    before: Iterable[bytes], after: Iterable[bytes], taken: Counter[bytes], *, shown: int = SHOWN
) -> Difference:
    """Compare two sorted files; ``taken`` are the fingerprints of what was taken back."""
    found = Difference()
    left = taken.copy()
    merged = heapq.merge(((line, 0) for line in before), ((line, 1) for line in after))
    for _, group in groupby(merged, key=lambda one: _subject(one[0])):
        sides: tuple[Counter[bytes], Counter[bytes]] = (Counter(), Counter())
        for line, side in group:
            sides[side][line] += 1
        found.same += (sides[0] & sides[1]).total()
        lost, new = list((sides[0] - sides[1]).elements()), list((sides[1] - sides[0]).elements())
        for old, fresh in _matched(lost, new):
            if old is not None and fresh is not None:
                _note(found.changed, old, fresh, shown)
            elif fresh is not None:
                _note(found.added, None, fresh, shown)
            elif old is not None and left[fingerprint(old)] > 0:
                left[fingerprint(old)] -= 1
                _note(found.retracted, old, None, shown)
            else:
                _note(found.gone, old, None, shown)
    return found


def _subject(line: bytes) -> bytes:
    """Annotator and completions. In a JSON text a quote is escaped, so this mark is the key; lines of one subject
    stand together, because they begin alike."""
    return line.partition(b',"groups":')[0]


def _matched(lost: list[bytes], new: list[bytes]) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Old and new lines about the same prompt, one to one; the rest with None beside it."""
    waiting: dict[str, list[bytes]] = {}
    for line in new:
        waiting.setdefault(json.loads(line)["prompt"], []).append(line)
    for old in lost:
        same = waiting.get(json.loads(old)["prompt"])
        yield old, same.pop(0) if same else None
    for lines in waiting.values():
        yield from ((None, line) for line in lines)


def _note(change: Change, before: bytes | None, after: bytes | None, shown: int) -> None:
    change.count += 1
    if len(change.first) < shown:
        change.first.append(
            {"before": json.loads(before) if before else None, "after": json.loads(after) if after else None}
        )
