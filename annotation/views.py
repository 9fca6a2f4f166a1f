"""The page on which people rank. What it shows of tasks comes from the API, once the page is there."""

import json
from typing import cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import get_script_prefix
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from annotation.exceptions import Forbidden, NotFound
from annotation.markdown import render_markdown
from annotation.models import Project, SkipReason
from annotation.permissions import CAPABILITIES, project_get, role_of
from annotation.selectors import annotator_progress
from annotation.users import User

FLAG_REASONS = (
    "Harmful or unsafe",
    "Personal data",
    "Rude",
    "Broken, or makes no sense",
    "Wrong language",
    "Something else",
)


@require_safe
@login_required
@never_cache
@ensure_csrf_cookie
def rank(request: HttpRequest, slug: str) -> HttpResponse:
    """Rank the project's tasks, one after another."""
    project = _project(request, slug)
    role = role_of(project=project, user=request.user)
    progress = annotator_progress(project=project, annotator=cast(User, request.user))  # login_required
    context = {
        "project": project,
        "role": role,
        "can": {name for name, roles in CAPABILITIES.items() if role in roles},
        "guidelines": render_markdown(project.guidelines),
        "api": f"{get_script_prefix()}api/v1/",
        "progress": progress,
        "total": progress["done"] + progress["open"],
        "criteria": json.dumps(project.criteria),
        "skip_reasons": SkipReason.choices,
        "flag_reasons": FLAG_REASONS,
    }
    return render(request, "annotation/rank.html", context)


def _project(request: HttpRequest, slug: str) -> Project:
    try:
        return project_get(slug=slug, user=request.user, capability="annotate")
    except NotFound as error:
        raise Http404(error.detail) from error
    except Forbidden as error:
        raise PermissionDenied(error.detail) from error
