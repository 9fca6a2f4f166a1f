"""Rounds: the list with the button that starts one, and the page of one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_safe

from annotation.exceptions import Forbidden, KedgeError
from annotation.models import Project
from webapp.dashboard.forms import RoundForm
from webapp.dashboard.pages.base import actor_of, errors_show, may_do, project_page, project_render
from webapp.dashboard.training import curl_round, round_figures
from workers.exceptions import GateClosed
from workers.models import Round, RoundState
from workers.selectors import round_gate, round_list
from workers.services import round_start


@require_http_methods(["GET", "HEAD", "POST"])
@project_page("see_training")
def rounds(request: HttpRequest, project: Project) -> HttpResponse:
    """All rounds; a POST starts the next one."""
    user = actor_of(request)
    may_start = "train" in may_do(request, project)
    if request.method == "POST" and not may_start:
        raise Forbidden("Your role in this project does not start rounds.")
    form = RoundForm(request.POST or None)
    refused: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            started = round_start(project=project, actor=user, **form.cleaned_data)
        except GateClosed as error:
            refused = round_gate(project)["reasons"] or [error.detail]
        except KedgeError as error:
            errors_show(form, error)
        else:
            messages.success(request, f"Round {started.number} has started.")
            return redirect("round", project.slug, started.number)
    listed = list(round_list(project))
    context: dict[str, Any] = {
        "form": form if may_start else None,
        "refused": refused,
        "gate": round_gate(project),
        "rounds": listed,
        "running_round": next((one for one in listed if one.state == RoundState.RUNNING), None),
        "curl": curl_round(request, project),
    }
    return project_render(request, project, "rounds", context, status=422 if form.errors or refused else 200)


def _round(project: Project, number: int) -> Round:
    return get_object_or_404(Round.objects.select_related("snapshot", "created_by"), project=project, number=number)


@require_safe
@project_page("see_training")
def detail(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """The chain of one round, its gate and what came out."""
    return project_render(request, project, "round", round_figures(_round(project, number)))


@require_safe
@project_page("see_training")
def live(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """The part of the page that is asked for again while the round runs."""
    return project_render(request, project, "_round_live", round_figures(_round(project, number)))
