"""The adjudication queue and what a reviewer sees of one task. Blind: raters have numbers, not names."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Max, Q, QuerySet
from django.db.models.functions import Coalesce, Left

from annotation.disagreement import SEVERAL, THRESHOLD, Concern, Said, concern
from annotation.exceptions import NotFound
from annotation.models import (
    LABEL_KINDS,
    Assignment,
    AssignmentState,
    Project,
    Ranking,
    RankingOrigin,
    SkipReason,
    Task,
)
from annotation.users import User

REASONS = {
    "disagreement": "the raters disagree",
    "flags": "a completion is flagged",
    "none_acceptable": "some found none acceptable, others did not",
    "skipped_broken": "several skipped it as broken",
    "skipped_harmful": "several skipped it as harmful",
    "skipped_unclear": "several could not tell which is better",
    "unsure": "nobody saw more than a slight difference",
}
TELLING_SKIPS = (SkipReason.BROKEN, SkipReason.HARMFUL, SkipReason.UNCLEAR)
KEPT_SECONDS = 600
Skipped = tuple[dict[str, int], datetime]


@dataclass(frozen=True)
class Row:
    """A task that waits for a reviewer."""

    task: int
    raters: int
    concern: Concern


@dataclass(frozen=True)
class Case:
    """One task as a reviewer sees it; ``rankings`` are in an order that tells nothing of who made them when."""

    task: Task
    rankings: Sequence[Ranking]
    final: Ranking | None
    skips: dict[str, int]
    concern: Concern


def review_queue(*, project: Project, reviewer: User, threshold: float = THRESHOLD) -> list[Row]:
    """Tasks that need a decision, those whose raters disagree most first, then those with the most reasons.

    A task that a reviewer has decided about comes back when somebody ranks, edits or skips it later. Tasks that this
    reviewer has met as an annotator are for the others. It reads every task with two rankings or a flag, so it is
    kept until one of them changes.
    """
    rows = _rows(project, threshold)
    mine = Assignment.objects.filter(annotator=reviewer, task__project=project)
    # An earlier decision of theirs that was undone is no ranking of theirs.
    mine = mine.exclude(rankings__origin=RankingOrigin.ADJUDICATED)
    met = set(mine.values_list("task_id", flat=True))
    return [row for row in rows if row.task not in met]


def review_case(*, project: Project, task_id: int) -> Case:
    """A task of the project with its labels; NotFound for what nobody ranked or skipped, gold and repeats."""
    tasks = Task.objects.filter(project=project, kind__in=LABEL_KINDS).select_related("project", "prompt")
    task = tasks.prefetch_related("completions").filter(pk=task_id).first()
    if task is None:
        raise NotFound("No such task.")
    labels = list(Ranking.objects.labels().filter(assignment__task=task).select_related("assignment"))
    skips = next((counts for counts, _ in _skips(project, only=task.pk).values()), {})
    if not labels and not skips:
        raise NotFound("Nobody has ranked this task yet.")
    final = next((one for one in labels if one.origin == RankingOrigin.ADJUDICATED), None)
    raters = sorted((one for one in labels if one is not final), key=lambda one: _lot(project, one))
    found = concern([Said(one.groups, one.strengths, one.none_acceptable, one.flags) for one in raters], skips)
    return Case(task, raters, final, skips, found)


def prompt_starts(*, task_ids: Sequence[int], length: int) -> dict[int, str]:
    """By task, the first characters of its prompt."""
    rows = Task.objects.filter(pk__in=task_ids).values_list("pk", Left("prompt__text", length))
    return dict(rows)


def _lot(project: Project, ranking: Ranking) -> bytes:
    return hashlib.sha256(f"rater:{project.split_salt}:{ranking.assignment_id}".encode()).digest()


def _rows(project: Project, threshold: float) -> list[Row]:
    labels = Ranking.objects.labels().filter(project=project)
    state = labels.aggregate(count=Count("id"), newest=Max("id"), overruled=Count("id", filter=Q(overruled=True)))
    state |= Task.objects.filter(project=project).aggregate(decided=Max("reviewed_at"), many=Count("reviewed_at"))
    skipped = Assignment.objects.filter(task__project=project, state=AssignmentState.SKIPPED)
    key = f"review:{project.pk}:{threshold}:{sorted(map(str, state.values()))}:{skipped.count()}"
    key = f"review:{hashlib.sha256(key.encode()).hexdigest()}"
    found: list[Row] | None = cache.get(key)
    if found is None:
        found = sorted(_concerned(project, threshold), key=_urgency)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _urgency(row: Row) -> tuple[float, int, int]:
    return (-(row.concern.disagreement or 0.0), -len(row.concern.reasons), row.task)


def _concerned(project: Project, threshold: float) -> Iterator[Row]:
    said: dict[int, list[Said]] = defaultdict(list)
    newest: dict[int, datetime] = {}
    for task, at, *answer in _telling(project).iterator(chunk_size=2000):
        said[task].append(Said(*answer))
        newest[task] = max(at, newest.get(task, at))
    skips = _skips(project)
    for task, (_, at) in skips.items():
        newest[task] = max(at, newest.get(task, at))
    done = _settled(project) | _decided_since(project, newest)
    for task in newest:
        if task in done:
            continue
        found = concern(said[task], skips[task][0] if task in skips else {}, threshold=threshold)
        if found.reasons:
            yield Row(task, len(said[task]), found)


def _telling(project: Project) -> QuerySet[Any, Any]:
    """Labels of tasks that several ranked, and flagged ones; the rest cannot ask for a reviewer."""
    labels = Ranking.objects.independent().filter(project=project)
    several = labels.values("assignment__task").annotate(number=Count("id")).filter(number__gt=1)
    rows = labels.filter(Q(assignment__task__in=several.values("assignment__task")) | ~Q(flags={}))
    fields = ("assignment__task_id", "created_at", "groups", "strengths", "none_acceptable", "flags")
    return rows.order_by("id").values_list(*fields)


def _skips(project: Project, only: int | None = None) -> dict[int, Skipped]:
    """By task, how many people skipped it for which telling reason, and when the last of them did."""
    rows = Assignment.objects.filter(task__project=project, task__kind__in=LABEL_KINDS, skip_reason__in=TELLING_SKIPS)
    rows = rows.filter(state=AssignmentState.SKIPPED)
    rows = rows if only is None else rows.filter(task=only)
    told = {"people": Count("id", distinct=True), "last": Coalesce(Max("events__at"), Max("leased_at"))}
    counted = rows.order_by().values("task_id", "skip_reason").annotate(**told)
    found: dict[int, Skipped] = {}
    for row in counted:
        task, reason, people, last = row["task_id"], row["skip_reason"], row["people"], row["last"]
        if people >= (SEVERAL if only is None else 1):
            counts, before = found.get(task, ({}, last))
            found[task] = {**counts, reason: people}, max(before, last)
    return found


def _settled(project: Project) -> set[int]:
    finals = Ranking.objects.labels().filter(project=project, origin=RankingOrigin.ADJUDICATED)
    return set(finals.values_list("assignment__task_id", flat=True))


def _decided_since(project: Project, newest: dict[int, datetime]) -> set[int]:
    decided = Task.objects.filter(project=project, reviewed_at__isnull=False).values_list("pk", F("reviewed_at"))
    return {task for task, at in decided if task in newest and at >= newest[task]}
