"""Throughput, queue and the distribution of labels, in a constant number of queries."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TypedDict

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from annotation.models import (
    Assignment,
    AssignmentState,
    PreferencePair,
    Project,
    Ranking,
    RankingOrigin,
    Task,
    TaskState,
)
from annotation.users import User

DAYS = 30


class Day(TypedDict):
    date: str
    person: int
    simulated: int
    imported: int


class AnnotatorRow(TypedDict):
    username: str
    rankings: int
    today: int
    skips: int
    median_seconds: float | None
    simulated: bool
    last: datetime | None


class Queue(TypedDict):
    open: int  # tasks with a free place
    full: int
    closed: int
    leased: int  # live leases
    wanted: int  # rankings wanted of tasks that are not closed
    remaining: int  # … that nobody has taken yet


class Stats(TypedDict):
    rankings: int
    simulated: int
    pairs: int
    tied_pairs: int
    none_acceptable: int
    skips: int
    median_seconds: float | None
    per_day: list[Day]
    annotators: list[AnnotatorRow]
    queue: Queue
    ranks: list[list[int]]  # see ranks_by_place
    strengths: dict[str, int]
    skip_reasons: dict[str, int]


@dataclass(frozen=True)
class Label:
    """What the figures need of one ranking."""

    annotator: int
    origin: str
    groups: list[list[int]]
    strengths: list[int] | None
    none_acceptable: bool
    duration_ms: int | None
    shown: list[int]
    at: datetime


def project_stats(project: Project, *, annotator: User | None = None) -> Stats:
    """The figures of the label dashboard; with ``annotator``, that person's row is the only one with a name."""
    labels = _labels(project)
    skipped = Assignment.objects.filter(task__project=project, state=AssignmentState.SKIPPED)
    skips = list(skipped.values_list("annotator_id", "skip_reason"))
    pairs = PreferencePair.objects.filter(project=project)
    counts = pairs.aggregate(all=Count("id"), tied=Count("id", filter=Q(tie=True)))
    strengths = Counter(strength for label in labels for strength in label.strengths or ())
    return {
        "rankings": len(labels),
        "simulated": sum(label.origin == RankingOrigin.SIMULATED for label in labels),
        "pairs": counts["all"],
        "tied_pairs": counts["tied"],
        "none_acceptable": sum(label.none_acceptable for label in labels),
        "skips": len(skips),
        "median_seconds": _median_seconds(labels),
        "per_day": _per_day(labels),
        "annotators": _annotators(labels, Counter(who for who, _ in skips), annotator),
        "queue": _queue(project),
        "ranks": ranks_by_place((label.shown, label.groups) for label in labels),
        "strengths": {str(strength): strengths[strength] for strength in sorted(strengths)},
        "skip_reasons": dict(Counter(reason for _, reason in skips).most_common()),
    }


def _labels(project: Project) -> list[Label]:
    # A reviewer's decision is no annotator's work, and was not shown in a drawn order.
    rows = Ranking.objects.independent().filter(project=project).order_by("id")
    fields = ("annotator_id", "origin", "groups", "strengths", "none_acceptable", "duration_ms")
    values = rows.values_list(*fields, "assignment__display_order", "created_at")
    return [Label(*row) for row in values.iterator(chunk_size=2000)]


def _median_seconds(labels: Sequence[Label]) -> float | None:
    timed = [label.duration_ms / 1000 for label in labels if label.duration_ms is not None]
    return median(timed) if timed else None


def _per_day(labels: Sequence[Label]) -> list[Day]:
    counts = Counter((timezone.localdate(label.at).isoformat(), label.origin) for label in labels)
    dates = sorted({date for date, _ in counts})[-DAYS:]
    return [
        {
            "date": date,
            "person": counts[date, RankingOrigin.PERSON.value],
            "simulated": counts[date, RankingOrigin.SIMULATED.value],
            "imported": counts[date, RankingOrigin.IMPORTED.value],
        }
        for date in dates
    ]


def _annotators(labels: Sequence[Label], skips: Counter[int], only: User | None) -> list[AnnotatorRow]:
    own: dict[int, list[Label]] = {}
    for label in labels:
        own.setdefault(label.annotator, []).append(label)
    wanted = {*own, *skips} & ({only.pk} if only else {*own, *skips})
    names = dict(get_user_model().objects.filter(pk__in=wanted).values_list("pk", "username"))
    today = timezone.localdate()
    rows: list[AnnotatorRow] = []
    for who, username in names.items():
        mine = own.get(who, [])
        rows.append(
            {
                "username": username,
                "rankings": len(mine),
                "today": sum(timezone.localdate(label.at) == today for label in mine),
                "skips": skips[who],
                "median_seconds": _median_seconds(mine),
                "simulated": any(label.origin == RankingOrigin.SIMULATED for label in mine),
                "last": max((label.at for label in mine), default=None),
            }
        )
    return sorted(rows, key=lambda row: (-row["rankings"], row["username"]))


def _queue(project: Project) -> Queue:
    wanted = Q(state__in=[TaskState.OPEN, TaskState.FULL])
    tasks = Task.objects.filter(project=project).aggregate(
        open=Count("id", filter=Q(state=TaskState.OPEN)),
        full=Count("id", filter=Q(state=TaskState.FULL)),
        closed=Count("id", filter=Q(state=TaskState.CLOSED)),
        wanted=Sum("wanted_raters", filter=wanted),
        remaining=Sum(F("wanted_raters") - F("taken"), filter=Q(state=TaskState.OPEN)),
    )
    live = Assignment.objects.filter(
        task__project=project, state=AssignmentState.LEASED, lease_expires__gte=timezone.now()
    )
    return {
        "open": tasks["open"],
        "full": tasks["full"],
        "closed": tasks["closed"],
        "leased": live.count(),
        "wanted": tasks["wanted"] or 0,
        "remaining": tasks["remaining"] or 0,
    }


def ranks_by_place(rankings: Iterable[tuple[Sequence[int], Sequence[Sequence[int]]]]) -> list[list[int]]:
    """How often what stood at each place of the page got each rank, from (display order, groups).

    [place][rank], both from 0; a tie shares the better rank. Rows that look alike mean that the place does
    not matter.
    """
    counts: Counter[tuple[int, int]] = Counter()
    size = 0
    for shown, groups in rankings:
        place = {completion: index for index, completion in enumerate(shown)}
        size = max(size, len(shown))
        rank = 0
        for group in groups:
            counts.update((place[completion], rank) for completion in group if completion in place)
            rank += len(group)
    return [[counts[place, rank] for rank in range(size)] for place in range(size)]
