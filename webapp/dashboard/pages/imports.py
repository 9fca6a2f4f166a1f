"""Prompts, completions and rankings from a file or pasted lines, with the report of every line not taken."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from annotation.exceptions import KedgeError
from annotation.importers import ImportReport
from annotation.models import Project
from annotation.services.completions import completions_import
from annotation.services.prompts import prompts_import
from annotation.services.ranking_imports import rankings_import
from webapp.dashboard.forms import ImportForm
from webapp.dashboard.pages.base import actor_of, errors_show, project_page, project_render

IMPORTERS: Mapping[str, Callable[..., ImportReport]] = {"prompts": prompts_import, "completions": completions_import}


@require_http_methods(["GET", "HEAD", "POST"])
@project_page("import")
def prompts_import_page(request: HttpRequest, project: Project) -> HttpResponse:
    form = ImportForm(request.POST or None, request.FILES or None)
    report, chosen = None, None
    if request.method == "POST" and form.is_valid():
        file, name = source_of(form.cleaned_data)
        chosen = {name: form.cleaned_data[name] for name in ("what", "layout", "dry_run")}
        try:
            importer = importer_of(chosen)
            report = importer(
                project=project, file=file, name=name, actor=actor_of(request), dry_run=chosen["dry_run"]
            ).as_dict()
        except KedgeError as error:
            errors_show(form, error)
        else:
            form = ImportForm(initial=chosen)
    context = {"form": form, "report": report, "chosen": chosen}
    return project_render(request, project, "import", context, status=422 if form.errors else 200)


def importer_of(chosen: Mapping[str, Any]) -> Callable[..., ImportReport]:
    """The service that imports what was chosen."""
    if chosen["what"] == "rankings":
        return partial(rankings_import, layout=chosen["layout"])
    return IMPORTERS[chosen["what"]]


def source_of(data: Mapping[str, Any]) -> tuple[BinaryIO, str]:
    """The open file and its name: what was uploaded, else what was pasted."""
    upload = data.get("file")
    if isinstance(upload, UploadedFile):
        return cast(BinaryIO, upload.file), upload.name or ""
    # JSON that somebody pasted holds no half characters; "replace" keeps a broken one from a 500.
    return io.BytesIO(data["text"].encode("utf-8", "replace")), "pasted"
