"""The rows that the figures of quality rest on, in a constant number of queries, and the figures kept for a while."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max
from django.utils import timezone

from annotation.criteria import Ratings
from annotation.models import Assignment, AssignmentState, Project, Ranking, RankingMethod, RankingOrigin
from annotation.outcomes import Ranked
from annotation.quality import quality

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


def project_quality(project: Project) -> dict[str, Any]:
    """annotation.quality.Quality of the current rankings, as plain data.

    It takes about two seconds for 10,000 rankings, so it is kept until a ranking is added, revised
    or taken back, or a task is skipped.
    """
    key = _state(project)
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        ratings = Ratings()
        found = asdict(quality(rankings_for_quality(project, ratings=ratings), ratings))
        cache.set(key, found, QUALITY_SECONDS)
    return found


def _state(project: Project) -> str:
    rows = Ranking.objects.filter(project=project, is_current=True).aggregate(count=Count("id"), newest=Max("id"))
    skips = Assignment.objects.filter(task__project=project, state=AssignmentState.SKIPPED).count()
    return f"quality:{project.pk}:{rows['count']}:{rows['newest']}:{skips}:{project.gold_pass}"
