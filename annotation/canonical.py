"""The canonical form of a ranking: one JSON line (sorted keys, UTF-8, NFC, no spaces, ``\\n``) of content alone.

It holds no ids, times, durations or versions, so that the same labels give the same bytes on any database.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from annotation.models import Project, Ranking, RankingQuerySet
from annotation.ranking import FULL
from annotation.texts import nfc

ROWS_AT_ONCE = 2000
# With their completions: Django asks for the rows of a prefetch by ORs, and SQLite takes a thousand of them.
RANKINGS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Line:
    """A ranking's canonical line, and the ranking."""

    content: bytes
    ranking: Ranking


def pseudonym(*, username: str, salt: str) -> str:
    """How an annotator is called outside: 12 hex digits of HMAC-SHA256(salt, username)."""
    return hmac.new(salt.encode(), username.encode(), hashlib.sha256).hexdigest()[:12]


def canonical_lines(rankings: RankingQuerySet, project: Project) -> Iterator[Line]:
    """Each ranking's line, in the order of the query, some thousand of them in memory at a time."""
    name = cache(lambda username: pseudonym(username=username, salt=project.split_salt))
    rows = rankings.select_related("prompt", "annotator", "assignment__task")
    rows = rows.prefetch_related("assignment__task__completions")
    for ranking in rows.iterator(chunk_size=RANKINGS_AT_ONCE):
        texts = {one.pk: one.text for one in ranking.assignment.task.completions.all()}
        line = {
            "annotator": name(ranking.annotator.get_username()),
            "prompt": nfc(ranking.prompt.text),
            "split": ranking.prompt.split,
            "strengths": ranking.strengths,
            "none_acceptable": ranking.none_acceptable,
            **canonical_groups(texts, ranking.groups),
        }
        if ranking.method != FULL:  # only then, so that what was frozen before there were methods keeps its hash
            line["method"] = ranking.method
        content = json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        yield Line(content, ranking)


def canonical_groups(texts: dict[int, str], groups: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Completions as sorted texts, and groups of indices into them, free of any id.

    Of completions with the same words, the one that stands higher comes first.
    """
    level = {completion: place for place, group in enumerate(groups) for completion in group}
    order = sorted(texts, key=lambda completion: (nfc(texts[completion]), level.get(completion, len(groups))))
    index = {completion: position for position, completion in enumerate(order)}
    return {
        "completions": [nfc(texts[completion]) for completion in order],
        "groups": [sorted(index[completion] for completion in group) for group in groups],
    }


def fingerprint(line: bytes) -> bytes:
    """What stands for a line where millions must be remembered: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(line, digest_size=16).digest()
