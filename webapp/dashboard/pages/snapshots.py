"""Snapshots: what has been frozen, the button that freezes, and the exports."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from annotation.exceptions import KedgeError
from annotation.models import Project
from annotation.services import snapshot_freeze
from annotation.snapshots import FILES
from webapp.dashboard.pages.base import actor_of, project_page, project_render, refused


@require_http_methods(["GET", "HEAD", "POST"])
@project_page("export")
def snapshots(request: HttpRequest, project: Project) -> HttpResponse:
    """All snapshots; a POST freezes the current rankings."""
    if request.method == "POST":
        known = project.snapshots.count()
        try:
            snapshot = snapshot_freeze(project=project, actor=actor_of(request))
            new = project.snapshots.count() > known
            said = "is frozen" if new else "holds the same labels already: nothing new was frozen"
            messages.success(request, f"Snapshot {snapshot.sha256[:12]} {said}.")
        except KedgeError as error:
            refused(request, error)
        return redirect("snapshots", project.slug)
    listed = project.snapshots.select_related("created_by").prefetch_related("rounds").order_by("-pk")
    return project_render(request, project, "snapshots", {"snapshots": listed, "files": FILES})
