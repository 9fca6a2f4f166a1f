"""Freezing what is ranked."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Count, Sum
from django.utils import timezone

from annotation.agreement import agreement
from annotation.canonical import Line, canonical_lines
from annotation.exceptions import Conflict
from annotation.licence import UNKNOWN
from annotation.models import Completion, Project, Ranking, Retraction, Snapshot
from annotation.outcomes import Ranked
from annotation.provenance import code_version
from annotation.ranking import FULL
from annotation.services.audit import audit_record
from annotation.services.recount import snapshots_recount
from annotation.snapshots import ROWS_AT_ONCE, draft_folder, draft_publish, folder_of, lines_sort
from annotation.users import User


def snapshot_freeze(*, project: Project, actor: User | None) -> Snapshot:
    """Freeze the project's current rankings. The same labels give the snapshot that is there already.

    Memory does not grow with the rankings, apart from those of prompts that several people ranked (agreement).
    Raises Conflict when nothing is ranked yet.
    """
    tally = Tally()
    lines = canonical_lines(Ranking.objects.training().filter(project=project).order_by("id"), project)
    with draft_folder(f"projects/{project.slug}/snapshots") as draft:
        sha256 = lines_sort(tally.counting(lines), draft)
        if not tally.rankings:
            raise Conflict("Nothing is ranked yet: there is nothing to freeze.")
        known = Snapshot.objects.filter(project=project, sha256=sha256).first()
        path = known.path if known else f"projects/{project.slug}/snapshots/{sha256[:16]}"
        manifest = known.manifest if known else _manifest(project, tally, sha256)
        _publish(draft, folder_of(path), manifest, project, tally)
    return known or _record(project, actor, sha256, manifest, path)


class Tally:
    """What the manifest counts, taken from the very lines that are written."""

    def __init__(self) -> None:
        self.rankings = self.pairs = self.none_acceptable = 0
        self.splits: Counter[str] = Counter()
        self.origins: Counter[str] = Counter()
        self.annotators: set[int] = set()
        self.prompts = array("Q")  # the first 8 bytes of their content's hash

    def counting(self, lines: Iterable[Line]) -> Iterator[bytes]:
        for line in lines:
            ranking = line.ranking
            self.rankings += 1
            self.pairs += _pairs(ranking)
            self.none_acceptable += ranking.none_acceptable
            self.splits[ranking.prompt.split] += 1
            self.origins[ranking.origin] += 1
            self.annotators.add(ranking.annotator_id)
            self.prompts.append(int(ranking.prompt.content_hash[:16], 16))
            yield line.content

    def as_counts(self) -> dict[str, Any]:
        return {
            "rankings": self.rankings,
            "pairs": self.pairs,
            "prompts": len(np.unique(np.frombuffer(self.prompts, dtype=np.uint64))),
            "annotators": len(self.annotators),
            "none_acceptable": self.none_acceptable,
            "by_split": dict(sorted(self.splits.items())),
            "by_origin": dict(sorted(self.origins.items())),
        }


def _publish(draft: Path, folder: Path, manifest: dict[str, Any], project: Project, tally: Tally) -> None:
    if (folder / "manifest.json").exists():
        return
    # A manifest that an older version recorded lacks what a card of today says.
    draft_publish(draft, folder, {**_statement(project), **manifest, "counts": _counts(project, tally)})


def _record(project: Project, actor: User | None, sha256: str, manifest: dict[str, Any], path: str) -> Snapshot:
    try:
        with transaction.atomic():
            # In a row with retractions, which count what the snapshots hold: this one is there before, or counts now.
            Project.objects.select_for_update(no_key=True).get(pk=project.pk)
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
            snapshots_recount(project=project, snapshots=[snapshot])
            return snapshot
    except IntegrityError:  # frozen by somebody else in between
        return Snapshot.objects.get(project=project, sha256=sha256)


def _manifest(project: Project, tally: Tally, sha256: str) -> dict[str, Any]:
    return {
        "format": 1,
        "sha256": sha256,
        "project": project.slug,
        "created_at": timezone.now().isoformat(),
        "code_version": code_version(),
        "split_salt": project.split_salt,
        "filters": {"revisions": "current", "origins": "all", "retracted": "left out", "overruled": "left out"},
        "counts": _counts(project, tally),
        "agreement": asdict(agreement(_shared(project))),
        **_statement(project),
    }


def _counts(project: Project, tally: Tally) -> dict[str, Any]:
    overruled = Ranking.objects.labels().filter(project=project, overruled=True).count()
    return tally.as_counts() | {"completions_by_backend": _backends(project), "overruled": overruled}


def _statement(project: Project) -> dict[str, Any]:
    standing = Retraction.objects.filter(project=project, undone_at=None)
    taken = standing.aggregate(retractions=Count("id"), rankings=Sum("rankings", default=0))
    return {"criteria": project.criteria, "license": project.data_license or UNKNOWN, "retractions": taken}


def _shared(project: Project) -> list[Ranked]:
    """The rankings of prompts that several people ranked: agreement rests on them alone."""
    labels = Ranking.objects.independent().filter(project=project)
    several = labels.values("prompt").annotate(people=Count("annotator", distinct=True)).filter(people__gt=1)
    rows = labels.filter(prompt__in=several.values("prompt")).order_by("id")
    fields = ("prompt_id", "annotator__username", "groups", "method")
    return [
        Ranked(prompt, annotator, tuple(map(tuple, groups)), best_worst=method != FULL)
        for prompt, annotator, groups, method in rows.values_list(*fields).iterator(chunk_size=ROWS_AT_ONCE)
    ]


def _pairs(ranking: Ranking) -> int:
    """How many pairs a ranking decides: all, but of best and worst alone those of the middle."""
    sizes = [len(group) for group in ranking.groups]
    return comb(sum(sizes), 2) - (sum(comb(size, 2) for size in sizes) if ranking.method != FULL else 0)


def _backends(project: Project) -> dict[str, int]:
    """How many of the ranked completions each library wrote, or how many came from outside (``imported``)."""
    ranked = Ranking.objects.training().filter(project=project)
    written = Completion.objects.filter(tasks__in=ranked.values("assignment__task"))
    rows = written.values_list("backend").annotate(number=Count("id", distinct=True)).order_by("backend")
    counts: Counter[str] = Counter()
    for backend, number in rows:
        counts[backend or "unknown"] += number
    return dict(sorted(counts.items()))
