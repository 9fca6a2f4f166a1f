"""Freezing what is ranked."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import comb
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.agreement import agreement
from annotation.exceptions import Conflict
from annotation.models import Completion, Project, Ranking, Snapshot
from annotation.provenance import code_version
from annotation.ranking import FULL
from annotation.selectors import rankings_for_quality
from annotation.services.audit import audit_record
from annotation.snapshots import ROWS_AT_ONCE, canonical_groups, folder_of, folder_write, pseudonym
from annotation.texts import nfc
from annotation.users import User


def snapshot_freeze(*, project: Project, actor: User | None) -> Snapshot:
    """Freeze the project's current rankings. The same labels give the snapshot that is there already.

    Raises Conflict when nothing is ranked yet.
    """
    lines = sorted(_lines(project))
    if not lines:
        raise Conflict("Nothing is ranked yet: there is nothing to freeze.")
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    sha256 = digest.hexdigest()
    known = Snapshot.objects.filter(project=project, sha256=sha256).first()
    path = known.path if known else f"projects/{project.slug}/snapshots/{sha256[:16]}"
    manifest = known.manifest if known else _manifest(project, lines, sha256)
    if not (folder_of(path) / "manifest.json").exists():
        folder_write(folder_of(path), lines, manifest)
    return known or _record(project, actor, sha256, manifest, path)


def _record(project: Project, actor: User | None, sha256: str, manifest: dict[str, Any], path: str) -> Snapshot:
    try:
        with transaction.atomic():
            snapshot = Snapshot.objects.create(
                project=project,
                sha256=sha256,
                rankings=manifest["counts"]["rankings"],
                pairs=manifest["counts"]["pairs"],
                manifest=manifest,
                path=path,
                created_by=actor,
            )
            audit_record(verb="snapshot.freeze", actor=actor, project=project, target=sha256)
            return snapshot
    except IntegrityError:  # frozen by somebody else in between
        return Snapshot.objects.get(project=project, sha256=sha256)


def _lines(project: Project) -> Iterator[bytes]:
    rows = Ranking.objects.training().filter(project=project).select_related("prompt", "annotator", "assignment")
    rows = rows.prefetch_related("assignment__task__completions").order_by("id")
    for ranking in rows.iterator(chunk_size=ROWS_AT_ONCE):
        texts = {one.pk: one.text for one in ranking.assignment.task.completions.all()}
        line = {
            "annotator": pseudonym(username=ranking.annotator.get_username(), salt=project.split_salt),
            "prompt": nfc(ranking.prompt.text),
            "split": ranking.prompt.split,
            "strengths": ranking.strengths,
            "none_acceptable": ranking.none_acceptable,
            **canonical_groups(texts, ranking.groups),
        }
        if ranking.method != FULL:  # only then, so that what was frozen before there were methods keeps its hash
            line["method"] = ranking.method
        yield json.dumps(line, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _manifest(project: Project, lines: Sequence[bytes], sha256: str) -> dict[str, Any]:
    rows = [json.loads(line) for line in lines]
    origins = Counter(Ranking.objects.training().filter(project=project).values_list("origin", flat=True))
    found = agreement(rankings_for_quality(project))
    return {
        "format": 1,
        "sha256": sha256,
        "project": project.slug,
        "created_at": timezone.now().isoformat(),
        "code_version": code_version(),
        "split_salt": project.split_salt,
        "filters": {"revisions": "current", "origins": "all"},
        "counts": {
            "rankings": len(rows),
            "pairs": sum(map(_pairs, rows)),
            "prompts": len({row["prompt"] for row in rows}),
            "annotators": len({row["annotator"] for row in rows}),
            "none_acceptable": sum(row["none_acceptable"] for row in rows),
            "by_split": dict(sorted(Counter(row["split"] for row in rows).items())),
            "by_origin": dict(sorted(origins.items())),
            "completions_by_backend": _backends(project),
        },
        "agreement": asdict(found),
    }


def _pairs(row: dict[str, Any]) -> int:
    """How many pairs a line decides: all, but of best and worst alone those of the middle."""
    sizes = [len(group) for group in row["groups"]]
    return comb(sum(sizes), 2) - (sum(comb(size, 2) for size in sizes) if "method" in row else 0)


def _backends(project: Project) -> dict[str, int]:
    """How many of the ranked completions each library wrote, or how many came from outside (``imported``)."""
    ranked = Ranking.objects.training().filter(project=project)
    rows = Completion.objects.filter(tasks__assignments__rankings__in=ranked).distinct()
    return dict(sorted(Counter(backend or "unknown" for _, backend in rows.values_list("pk", "backend")).items()))
