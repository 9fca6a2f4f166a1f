"""The quality page: how good the labels are, and why."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from annotation.models import Project
from annotation.reliability import MINIMUM_TASKS
from annotation.selectors import project_quality
from webapp.dashboard.pages.base import project_page, project_render
from webapp.dashboard.quality import (
    agreement_charts,
    by_concern,
    checks,
    criteria_chart,
    flagged,
    gold_total,
    matrix,
    time_chart,
    votes_chart,
)
from workers.suspicious import suspicious_labels


@require_safe
@project_page("see_quality")
def quality(request: HttpRequest, project: Project) -> HttpResponse:
    """Reviewers and leads see every figure, by name of the annotator."""
    found = project_quality(project)
    names, rows = matrix(found)
    context = {
        "quality": found,
        "minimum_tasks": MINIMUM_TASKS,
        "agreement": agreement_charts(found),
        "criteria": criteria_chart(found),
        "votes": votes_chart(found),
        "time": time_chart(found),
        "checks": checks(found),
        "matrix_names": names,
        "matrix": rows,
        "annotators": by_concern(found),
        "flagged": flagged(found),
        "gold": gold_total(found),
        "suspicious": suspicious_labels(project),
    }
    return project_render(request, project, "quality", context)
