"""The label dashboard: how much was said, by whom, what is left, and how far it can be trusted."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from annotation.models import Project
from annotation.selectors import project_quality, project_stats
from webapp.dashboard.labels import (
    annotator_rows,
    days_chart,
    place_bars,
    queue_bar,
    queue_days,
    reason_rows,
    strength_bar,
    tie_bar,
)
from webapp.dashboard.pages.base import actor_of, may_do, project_page, project_render


@require_safe
@project_page("see_project")
def labels(request: HttpRequest, project: Project) -> HttpResponse:
    """Members see the figures; agreement and other people's rows are for those who may see quality."""
    user = actor_of(request)
    trusted = "see_quality" in may_do(request, project)
    stats = project_stats(project, annotator=None if trusted else user)
    quality = project_quality(project) if trusted else None
    context = {
        "stats": stats,
        "quality": quality,
        "days": days_chart(stats),
        "queue": queue_bar(stats),
        "queue_days": queue_days(stats),
        "places": place_bars(stats),
        "ties": tie_bar(stats),
        "strengths": strength_bar(stats),
        "reasons": reason_rows(stats),
        "annotators": annotator_rows(stats, quality),
    }
    return project_render(request, project, "labels", context)
