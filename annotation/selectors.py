"""Reads of the labelling side. Each has a constant number of queries."""

from dataclasses import asdict
from typing import Any, TypedDict

from django.core.cache import cache
from django.db.models import Count, F, Max, Q, QuerySet, Sum

from annotation.distribution import midnight
from annotation.exceptions import Forbidden, NotFound
from annotation.models import (
    Membership,
    Project,
    Ranking,
    Task,
    TaskKind,
    TaskState,
)
from annotation.permissions import allowed, role_of
from annotation.quality import Ranked, quality
from annotation.stats import project_stats
from annotation.users import User

__all__ = [
    "Progress",
    "annotator_progress",
    "members_of",
    "project_quality",
    "project_stats",
    "projects_of",
    "ranking_get",
    "rankings_for_quality",
    "rankings_of",
]

QUALITY_SECONDS = 600
PROGRESS_SECONDS = 60


class Progress(TypedDict):
    today: int  # tasks this person ranked today
    mine: int  # … in this project
    done: int  # current rankings of everybody here, up to a minute old
    open: int  # rankings still wanted, up to a minute old


def projects_of(user: User) -> QuerySet[Project]:
    """The projects this person is a member of."""
    return Project.objects.filter(memberships__user=user)


def members_of(project: Project) -> QuerySet[Membership]:
    return Membership.objects.filter(project=project).select_related("user")


def ranking_get(*, ranking_id: int, user: User) -> Ranking:
    """A ranking, for its annotator and for who may review; NotFound for outsiders, Forbidden for other members."""
    ranking = _with_task(Ranking.objects.filter(pk=ranking_id)).first()
    role = role_of(project=ranking.project, user=user) if ranking else None
    if ranking is None or role is None:
        raise NotFound("No such ranking.")
    if ranking.annotator_id != user.pk and not allowed(role, "review"):
        raise Forbidden("This is somebody else's ranking.")
    return ranking


def rankings_of(*, project: Project, annotator: User) -> QuerySet[Ranking]:
    """A person's own current rankings, with what it takes to show them again."""
    return _with_task(Ranking.objects.filter(annotator=annotator, project=project, is_current=True))


def _with_task(rows: QuerySet[Ranking]) -> QuerySet[Ranking]:
    return rows.select_related("project", "prompt", "assignment__task").prefetch_related(
        "assignment__task__completions"
    )


def annotator_progress(*, project: Project, annotator: User) -> Progress:
    """How far this person and the project are.

    What is the project's is counted at most once a minute: a count grows with the tasks, and one that followed
    every ranking at once would tell gold from the rest.
    """
    mine = Ranking.objects.filter(annotator=annotator, project=project, revision=1)
    counts = mine.aggregate(mine=Count("id"), today=Count("id", filter=Q(created_at__gte=midnight())))
    key = f"progress:{project.pk}:{project.created_at.timestamp()}"
    done, left = cache.get(key) or (None, None)
    if done is None:
        done = Ranking.objects.filter(project=project, is_current=True).exclude(kind=TaskKind.IMPORTED).count()
        wanted = Task.objects.filter(project=project, state=TaskState.OPEN)
        left = wanted.aggregate(left=Sum(F("wanted_raters") - F("taken")))["left"] or 0
        cache.set(key, (done, left), PROGRESS_SECONDS)
    return {"today": counts["today"], "mine": counts["mine"], "done": max(done, counts["mine"]), "open": left}


def rankings_for_quality(project: Project) -> list[Ranked]:
    """The current rankings as the quality functions take them."""
    rows = Ranking.objects.independent().filter(project=project).order_by("id")
    fields = ("prompt_id", "annotator__username", "groups", "assignment__display_order", "duration_ms")
    return [
        Ranked(prompt, annotator, tuple(map(tuple, groups)), tuple(shown), duration)
        for prompt, annotator, groups, shown, duration in rows.values_list(*fields).iterator(chunk_size=2000)
    ]


def project_quality(project: Project) -> dict[str, Any]:
    """annotation.quality.Quality of the current rankings, as plain data.

    It takes about a second for 10,000 rankings, so it is kept until a ranking is added or revised.
    """
    rows = Ranking.objects.labels().filter(project=project)
    state = rows.aggregate(count=Count("id"), newest=Max("id"))
    key = f"quality:{project.pk}:{state['count']}:{state['newest']}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = asdict(quality(rankings_for_quality(project)))
        cache.set(key, found, QUALITY_SECONDS)
    return found
