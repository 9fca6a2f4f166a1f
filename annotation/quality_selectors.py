"""The rows that the figures of quality rest on, in a constant number of queries, and the figures kept for a while."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Sum
from django.db.models.functions import Coalesce, Length
from django.utils import timezone

from annotation.annotators import Evidence
from annotation.criteria import Ratings
from annotation.gold import gold_answers
from annotation.gold_and_repeats import Repeat
from annotation.models import (
    Assignment,
    AssignmentState,
    Project,
    Ranking,
    RankingMethod,
    RankingOrigin,
    Task,
    TaskKind,
)
from annotation.outcomes import Ranked
from annotation.quality import quality
from annotation.reading import Timed

QUALITY_SECONDS = 600


def rankings_for_quality(project: Project, *, ratings: Ratings | None = None) -> list[Ranked]:
    """The current rankings as the quality functions take them; what they say of criteria goes into ``ratings``."""
    return list(_ranked(project, ratings))


def _ranked(project: Project, ratings: Ratings | None) -> Iterator[Ranked]:
    rows = Ranking.objects.independent().filter(project=project).order_by("id")
    fields = ("prompt_id", "annotator__username", "groups", "assignment__display_order", "duration_ms", "rater_group")
    names: dict[str, str] = {}
    for prompt, annotator, groups, shown, duration, group, at, method, origin, rated in rows.values_list(
        *fields, "created_at", "method", "origin", "ratings"
    ).iterator(chunk_size=2000):
        if ratings is not None and rated:
            ratings.add(prompt=prompt, group=group, ratings=rated)
        imported = origin == RankingOrigin.IMPORTED
        yield Ranked(
            prompt,
            names.setdefault(annotator, annotator),  # one string for each person, not for each ranking
            tuple(map(tuple, groups)),
            # In which order a file's raters saw the texts is not known; when they ranked them neither.
            () if imported else tuple(shown),
            duration,
            names.setdefault(group, group),
            None if imported else timezone.localdate(at).toordinal(),
            method == RankingMethod.BEST_WORST,
            shown[0] if imported and shown else None,
        )


def evidence_for_quality(project: Project) -> Evidence:
    """Gold answers, repeats, how fast the labels were given, and who skipped."""
    current = Ranking.objects.filter(project=project, is_current=True)
    skipped = Assignment.objects.filter(task__project=project, state=AssignmentState.SKIPPED)
    return Evidence(
        gold=gold_answers(project),
        repeats=_repeats(current),
        timed=_timed(project),
        skips=list(skipped.values_list("annotator__username", flat=True)),
        gold_pass=project.gold_pass,
        gold_before_trust=project.gold_before_trust,
    )


def _repeats(current: QuerySet[Ranking]) -> list[Repeat]:
    again = current.filter(kind=TaskKind.REPEAT, assignment__task__repeats__isnull=False).order_by("id")
    rows = list(again.values_list("annotator__username", "groups", "assignment__task__repeats_id"))
    repeated = Task.objects.filter(repeats=OuterRef("assignment"))
    earlier = dict(current.filter(Exists(repeated)).values_list("assignment_id", "groups"))
    return [Repeat(name, earlier[first], groups) for name, groups, first in rows if first in earlier]


def _timed(project: Project) -> list[Timed]:
    rows = Ranking.objects.independent().filter(project=project, duration_ms__isnull=False)
    # IN is looked up once; EXISTS went through the project's rankings again for each task.
    tasks = Task.objects.filter(pk__in=rows.values("assignment__task_id"))
    lengths = dict(tasks.values_list("pk").annotate(size=Coalesce(Sum(Length("completions__text")), 0)))
    values = rows.annotate(source=Length("prompt__text")).order_by("id")
    return [
        Timed(name, source + lengths[task], duration or 0)
        for name, source, task, duration in values.values_list(
            "annotator__username", "source", "assignment__task_id", "duration_ms"
        )
        if task in lengths  # a ranking may be submitted between the two queries
    ]


def project_quality(project: Project) -> dict[str, Any]:
    """annotation.quality.Quality of the current rankings, as plain data.

    It takes about six CPU seconds for 100,000 rankings, so it is kept until a ranking is added, revised
    or taken back, or a task is skipped.
    """
    key = f"quality:{quality_state(project)}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        ratings = Ratings()
        rankings = rankings_for_quality(project, ratings=ratings)
        found = asdict(quality(rankings, ratings, evidence_for_quality(project)))
        cache.set(key, found, QUALITY_SECONDS)
    return found


def quality_state(project: Project) -> str:
    """A word that changes with what the figures rest on: the key to keep them under."""
    rows = Ranking.objects.filter(project=project, is_current=True).aggregate(count=Count("id"), newest=Max("id"))
    skips = Assignment.objects.filter(task__project=project, state=AssignmentState.SKIPPED).count()
    return f"{project.pk}:{rows['count']}:{rows['newest']}:{skips}:{project.gold_pass}:{project.gold_before_trust}"
