"""Snapshots: what has been frozen, the button that freezes, and the exports."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from annotation.exceptions import Conflict, KedgeError
from annotation.exporters import FORMATS
from annotation.models import Project, Snapshot
from annotation.services import snapshot_freeze
from annotation.snapshot_diff import Change, Difference, snapshot_diff
from annotation.snapshots import FILES
from webapp.dashboard.pages.base import actor_of, project_page, project_render, refused
from webapp.dashboard.review import groups_as_text


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
    context = {"snapshots": listed, "files": FILES, "exports": _exports(project), "formats": list(FORMATS)}
    return project_render(request, project, "snapshots", context)


def _exports(project: Project) -> list[dict[str, str]]:
    """What can be downloaded; each address wants the format's name behind it."""
    pairs, rankings = reverse("api-pairs", args=[project.slug]), reverse("api-rankings", args=[project.slug])
    return [
        {"title": "Pairs, TRL", "address": f"{pairs}?layout=trl&format="},
        {"title": "Pairs, TRL, conversational", "address": f"{pairs}?layout=trl_conversational&format="},
        {"title": "Pairs, full", "address": f"{pairs}?layout=full&format="},
        {"title": "Rankings", "address": f"{rankings}?format="},
    ]


WORDS = {
    "added": ("Added", "Rankings that only the second snapshot holds."),
    "changed": ("Changed", "The same person said something else of the same completions."),
    "retracted": ("Taken back", "Rankings that are gone because they were taken back."),
    "gone": ("Gone for another reason", "A reviewer set another final ranking, or a text has changed."),
}


@require_safe
@project_page("export")
def difference(request: HttpRequest, project: Project) -> HttpResponse:
    """What changed from one snapshot to another; without a choice, from the last but one to the last."""
    listed = list(Snapshot.objects.filter(project=project).order_by("-pk"))
    by_hash = {one.sha256: one for one in listed}
    after = by_hash.get(request.GET.get("after", ""), listed[0] if listed else None)
    before = by_hash.get(request.GET.get("before", ""), listed[1] if len(listed) > 1 else after)
    context: dict[str, object] = {"snapshots": listed, "before": before, "after": after}
    if before is not None and after is not None:
        before.project = after.project = project
        try:
            found = snapshot_diff(before=before, after=after)
            context |= {"found": found, "changes": _changes(found)}
        except Conflict as error:
            context["problem"] = error.detail
    return project_render(request, project, "snapshot_diff", context)


def _changes(found: Difference) -> list[dict[str, object]]:
    return [
        {"title": title, "note": note, "count": change.count, "rows": _rows(change)}
        for name, (title, note) in WORDS.items()
        if (change := getattr(found, name)).count
    ]


def _rows(change: Change) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for one in change.first:
        line = one["after"] or one["before"]
        texts = [(chr(ord("A") + index % 26), text) for index, text in enumerate(line["completions"])]
        orders = {side: groups_as_text(one[side]["groups"]) if one[side] else "" for side in ("before", "after")}
        rows.append({"annotator": line["annotator"], "prompt": line["prompt"], "texts": texts, **orders})
    return rows
