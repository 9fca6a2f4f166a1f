"""Runs: the list, the training dashboard of one, and its two buttons."""

import json
from collections.abc import Callable

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from annotation.exceptions import KedgeError
from annotation.models import Project
from webapp.dashboard.curves import curves_of
from webapp.dashboard.pages.base import actor_of, project_page, project_render, refused
from workers.models import Run, RunState
from workers.selectors import run_detail, run_events, run_list, run_retracted
from workers.services import run_cancel, run_retry

RUNS_ON_A_PAGE = 50
LOG_LINES = 300
LIVE = (RunState.QUEUED, RunState.RUNNING)


@require_safe
@project_page("see_training")
def runs(request: HttpRequest, project: Project) -> HttpResponse:
    paged = Paginator(run_list(project).select_related("round", "created_by"), RUNS_ON_A_PAGE)
    return project_render(request, project, "runs", {"page_of_runs": paged.get_page(request.GET.get("page"))})


def _run(project: Project, run_id: int) -> Run:
    try:
        return run_detail(project, run_id)
    except Run.DoesNotExist as error:
        raise Http404("No such run in this project.") from error


def _status(run: Run) -> dict[str, object]:
    return {"run": run, "live": run.state in LIVE, "stops": run.events.filter(kind="stop-rule").order_by("pk")}


def _log(run: Run, after: int | None) -> dict[str, object]:
    events = run_events(run, after=after, limit=LOG_LINES)
    return {"events": events, "last_event": events[-1].pk if events else after or 0}


@require_safe
@project_page("see_training")
def detail(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """State, curves, log, inputs and outputs of one run."""
    run = _run(project, run_id)
    context = {
        **_status(run),
        **_log(run, None),
        "specs": curves_of(run.kind, run.config),
        "metrics_url": reverse("api_run_metrics", args=[run.pk]),
        "outputs": run.models.all(),
        "evaluated": run.evaluations.count(),
        "retracted": run_retracted(run),
        "config": json.dumps(run.config, indent=2, sort_keys=True, ensure_ascii=False),
    }
    return project_render(request, project, "run", context)


@require_safe
@project_page("see_training")
def status(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """The state, asked for again while the run lives."""
    return project_render(request, project, "_run_status", _status(_run(project, run_id)))


@require_safe
@project_page("see_training")
def log(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    """The log's lines after ``?after=``."""
    run = _run(project, run_id)
    after = request.GET.get("after", "0")
    context = _status(run) | _log(run, int(after) if after.isdecimal() else 0)
    return project_render(request, project, "_run_log", context)


@require_POST
@project_page("train")
def cancel(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    return _act(request, project, _run(project, run_id), run_cancel, "The run stops at its next step.")


@require_POST
@project_page("train")
def retry(request: HttpRequest, project: Project, run_id: int) -> HttpResponse:
    return _act(request, project, _run(project, run_id), run_retry, "The run is queued again.")


def _act(request: HttpRequest, project: Project, run: Run, service: Callable[..., Run], done: str) -> HttpResponse:
    try:
        run = service(run=run, actor=actor_of(request))
        messages.success(request, done)
    except KedgeError as error:
        refused(request, error)
    return redirect("run", project.slug, run.pk)
