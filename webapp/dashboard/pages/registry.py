"""Model versions, their evaluations side by side, and the snapshots they were trained on."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from annotation.exceptions import KedgeError
from annotation.models import Project
from webapp.dashboard.pages.base import actor_of, project_page, project_render, refused
from webapp.dashboard.results import (
    HEADLINES,
    figure_rows,
    metrics_of,
    newest_first_by_line,
    notes_of,
    result_charts,
    result_rows,
    reward_table,
    samples_side_by_side,
)
from workers.models import ModelVersion
from workers.selectors import evaluation_table, project_models, retracted_seen
from workers.services import model_promote


@require_safe
@project_page("see_project")
def models(request: HttpRequest, project: Project) -> HttpResponse:
    versions = project_models(project).select_related("parent", "run", "run__round")
    return project_render(request, project, "models", {"versions": versions, "retracted": retracted_seen(project.pk)})


@require_POST
@project_page("promote")
def promote(request: HttpRequest, project: Project, model_slug: str) -> HttpResponse:
    model = get_object_or_404(ModelVersion, project=project, slug=model_slug)
    try:
        model_promote(model=model, actor=actor_of(request))
        messages.success(request, f"{model.slug} writes the next completions.")
    except KedgeError as error:
        refused(request, error)
    return redirect("models", project.slug)


@require_safe
@project_page("see_project")
def evaluations(request: HttpRequest, project: Project) -> HttpResponse:
    """Every model version side by side."""
    table = evaluation_table(project)
    found = newest_first_by_line(row["evaluation"] for row in table["rows"])
    metrics = metrics_of(table["metrics"])
    headlines = [metric for metric in metrics if metric.name in HEADLINES]
    context = {
        "metrics": headlines,
        "rows": result_rows(found, headlines),
        "charts": result_charts(found, headlines),
        "figures": figure_rows(found, metrics),
        "notes": notes_of(found),
        "samples": samples_side_by_side(found),
        "table": reward_table(found),
    }
    return project_render(request, project, "evaluations", context)
