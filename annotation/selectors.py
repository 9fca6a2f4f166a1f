"""Reads of the labelling side. Each has a constant number of queries."""

from typing import TypedDict

from django.core.cache import cache
from django.db.models import Count, F, Q, QuerySet, Sum

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
from annotation.quality_selectors import project_quality, rankings_for_quality
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
    counted: tuple[int, int] | None = cache.get(key)
    if counted is None:
        done = Ranking.objects.filter(project=project, is_current=True).exclude(kind=TaskKind.IMPORTED).count()
        wanted = Task.objects.filter(project=project, state=TaskState.OPEN)
        left = wanted.aggregate(left=Sum(F("wanted_raters") - F("taken")))["left"] or 0
        counted = (done, left)
        cache.set(key, counted, PROGRESS_SECONDS)
    done, left = counted
    own = max(counts["mine"] - done, 0)  # ranked since by this person: done, and wanted no more
    return {"today": counts["today"], "mine": counts["mine"], "done": done + own, "open": max(left - own, 0)}
