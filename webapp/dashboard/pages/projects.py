"""The list of projects, making and changing one, and its home."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.exceptions import KedgeError
from annotation.models import Project
from annotation.permissions import may_create_projects
from annotation.services import project_create, project_update
from webapp.dashboard.forms import ProjectCreateForm, ProjectForm
from webapp.dashboard.overview import actions_next, loop_state, project_rows, runs_live
from webapp.dashboard.pages.base import actor_of, errors_show, may_do, project_page, project_render


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    user = actor_of(request)
    context = {"rows": project_rows(user), "may_create": may_create_projects(user)}
    return render(request, "dashboard/home.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def create(request: HttpRequest) -> HttpResponse:
    user = actor_of(request)
    if not may_create_projects(user):
        raise PermissionDenied("Only staff and leads make projects.")
    form = ProjectCreateForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = project_create(actor=user, slug=form.cleaned_data["slug"], **form.values())
        except KedgeError as error:
            errors_show(form, error)
        else:
            messages.success(request, "The project is made. Import prompts, and completions are written by themselves.")
            return redirect("prompts_import", project.slug)
    context = {"form": form, "heading": "New project", "submit": "Make the project"}
    return render(request, "dashboard/project_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@project_page("manage")
def update(request: HttpRequest, project: Project) -> HttpResponse:
    # The form validates onto its own copy: the page's head must not show a name that was refused.
    form = ProjectForm(request.POST or None, instance=Project.objects.get(pk=project.pk))
    if request.method == "POST" and form.is_valid():
        try:
            project_update(project=project, actor=actor_of(request), **form.values())
        except KedgeError as error:
            errors_show(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("project", project.slug)
    context = {"form": form, "heading": "Settings", "submit": "Save"}
    return project_render(request, project, "project_form", context, status=422 if form.errors else 200)


@require_POST
@login_required
def preview(request: HttpRequest) -> HttpResponse:
    """The guidelines as annotators will see them."""
    return render(request, "dashboard/_preview.html", {"text": request.POST.get("guidelines", "")[:100_000]})


def _standing(request: HttpRequest, project: Project) -> dict[str, object]:
    loop = loop_state(project)
    actions = actions_next(project, loop, may_do(request, project))
    return {"loop": loop, "actions": actions, "running_runs": runs_live(project)}


@require_safe
@project_page("see_project")
def detail(request: HttpRequest, project: Project) -> HttpResponse:
    """Where the loop stands, and what to do next."""
    return project_render(request, project, "project", _standing(request, project))


@require_safe
@project_page("see_project")
def live(request: HttpRequest, project: Project) -> HttpResponse:
    """The part of the home that is asked for again while something runs."""
    return project_render(request, project, "_project_live", _standing(request, project))
