"""Gold tasks: what there is, how people did on each, and more of them from a file."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from annotation.bootstrap import MINIMUM
from annotation.exceptions import KedgeError
from annotation.gold import gold_rows
from annotation.models import Project
from annotation.services import gold_import, gold_retire
from webapp.dashboard.forms import GoldForm
from webapp.dashboard.pages.base import actor_of, errors_show, project_page, project_render, refused
from webapp.dashboard.pages.imports import source_of

ROWS_ON_A_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@project_page("gold")
def tasks(request: HttpRequest, project: Project) -> HttpResponse:
    form = GoldForm(request.POST or None, request.FILES or None)
    report, dry_run = None, False
    if request.method == "POST" and form.is_valid():
        file, name = source_of(form.cleaned_data)
        dry_run = form.cleaned_data["dry_run"]
        try:
            report = gold_import(
                project=project, file=file, name=name, actor=actor_of(request), dry_run=dry_run
            ).as_dict()
        except KedgeError as error:
            errors_show(form, error)
        else:
            form = GoldForm()
    rows = gold_rows(project)
    context = {
        "form": form,
        "report": report,
        "chosen": {"what": "gold", "dry_run": dry_run},
        "paged": Paginator(rows, ROWS_ON_A_PAGE).get_page(request.GET.get("page")),
        "live": sum(not row.retired for row in rows),
        "answers": sum(row.score.answers for row in rows),
        "right": sum(row.score.right for row in rows),
        "pairs": sum(row.score.pairs for row in rows),
        "doubtful": sum(row.verdict == "doubtful" and not row.retired for row in rows),
        "minimum": MINIMUM,
    }
    return project_render(request, project, "gold", context, status=422 if form.errors else 200)


@require_POST
@project_page("gold")
def retire(request: HttpRequest, project: Project, gold: int) -> HttpResponse:
    """Hand a gold task out no more."""
    try:
        gold_retire(project=project, task_id=gold, actor=actor_of(request))
        messages.success(request, f"Gold task {gold} is handed out no more. What people said of it still counts.")
    except KedgeError as error:
        refused(request, error)
    return redirect("gold", project.slug)
