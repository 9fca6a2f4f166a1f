"""What reviewers decide, and labels that leads take back."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.disagreement import THRESHOLD
from annotation.exceptions import InvalidInput, KedgeError
from annotation.models import Project, Ranking, Retraction
from annotation.ranking import Answer
from annotation.review import Case, review_case, review_queue
from annotation.services import (
    adjudication_undo,
    retraction_create,
    retraction_undo,
    task_adjudicate,
    task_ask_again,
    task_leave,
)
from webapp.dashboard.decision import Choice, choice_answer, choice_read
from webapp.dashboard.forms import RetractionForm
from webapp.dashboard.pages.base import actor_of, may_do, project_page, project_render, refused
from webapp.dashboard.review import case_table, queue_rows

ROWS_ON_A_PAGE = 50


@require_safe
@project_page("review")
def queue(request: HttpRequest, project: Project) -> HttpResponse:
    """Tasks that need a decision, and what was taken back."""
    rows = Paginator(review_queue(project=project, reviewer=actor_of(request)), ROWS_ON_A_PAGE)
    paged = rows.get_page(request.GET.get("page"))
    taken = Retraction.objects.filter(project=project).select_related("annotator", "actor").order_by("-pk")
    lead = "manage" in may_do(request, project)
    context = {
        "paged": paged,
        "rows": queue_rows(paged.object_list),
        "threshold": THRESHOLD,
        "retractions": taken,
        "form": RetractionForm(project) if lead else None,
    }
    return project_render(request, project, "review", context)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page("review")
def case(request: HttpRequest, project: Project, task: int) -> HttpResponse:
    """One task with its rankings side by side; a POST decides."""
    found = review_case(project=project, task_id=task)
    if request.method != "POST":
        return project_render(request, project, "review_case", {"case": found, "table": case_table(found)})
    try:
        messages.success(request, _decide(request, found))
    except KedgeError as error:
        refused(request, error)
        table = case_table(review_case(project=project, task_id=task), _chosen(request, found))
        return project_render(request, project, "review_case", {"case": found, "table": table}, status=422)
    return redirect("review", project.slug)


def _decide(request: HttpRequest, case: Case) -> str:
    """Do what the button says; what to tell the reviewer."""
    task, actor = case.task, actor_of(request)
    act = request.POST.get("act", "")
    if act == "again":
        added = task_ask_again(task=task, actor=actor)
        return "One more person will rank this task next." if added else "A place is free already: it comes next."
    if act == "leave":
        task_leave(task=task, actor=actor)
        return "The rankings stay as they are."
    if act == "undo" and case.final is not None:
        adjudication_undo(ranking=case.final, actor=actor)
        return "The final ranking is taken off: the others count again."
    if act == "final":
        task_adjudicate(task=task, answer=choice_answer(_chosen(request, case), _completions(case)), actor=actor)
        return "The final ranking is set."
    taken = next((one for one in case.rankings if act == f"take-{one.pk}"), None)
    if taken is None:
        raise InvalidInput("Choose one of the rankings, or give each completion a place.")
    task_adjudicate(task=task, answer=_same(taken), actor=actor)
    return "The final ranking is set."


def _same(ranking: Ranking) -> Answer:
    """The order that a rater gave; flags and texts stay theirs."""
    return Answer(ranking.groups, ranking.strengths, ranking.none_acceptable, method=ranking.method)


def _chosen(request: HttpRequest, case: Case) -> Choice:
    return choice_read(request.POST, _completions(case))


def _completions(case: Case) -> list[int]:
    return sorted(one.pk for one in case.task.completions.all())


@require_POST
@project_page("manage")
def retract(request: HttpRequest, project: Project) -> HttpResponse:
    """Take the labels of a person or an import back."""
    form = RetractionForm(project, request.POST)
    if form.is_valid():
        try:
            made = retraction_create(project=project, actor=actor_of(request), **form.values())
            messages.success(request, f"{made.rankings} rankings were taken back. The list below brings them back.")
        except KedgeError as error:
            refused(request, error)
    else:
        problems: list[Any] = [one for found in form.errors.values() for one in found]
        messages.error(request, " ".join(map(str, problems)))
    return redirect("review", project.slug)


@require_POST
@project_page("manage")
def bring_back(request: HttpRequest, project: Project, retraction: int) -> HttpResponse:
    """Undo a retraction."""
    rows = Retraction.objects.select_related("annotator", "project")
    found = get_object_or_404(rows, project=project, pk=retraction)
    try:
        retraction_undo(retraction=found, actor=actor_of(request))
        messages.success(request, f"{found.rankings} rankings count again.")
    except KedgeError as error:
        refused(request, error)
    return redirect("review", project.slug)
