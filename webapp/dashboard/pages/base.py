"""What every project page does first: find the project, check the role, and know what to offer."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.exceptions import Forbidden, KedgeError, NotFound
from annotation.models import Project
from annotation.permissions import CAPABILITIES, project_get, role_of
from annotation.users import User

P = ParamSpec("P")


def project_page(
    capability: str,
) -> Callable[[Callable[Concatenate[HttpRequest, Project, P], HttpResponse]], Callable[..., HttpResponse]]:
    """Turn ``view(request, project, …)`` into ``view(request, slug=…, …)``.

    Not logged in: to the log-in page. Not a member, or nothing there: 404. A member whose role may not: 403.
    """

    def decorate(view: Callable[Concatenate[HttpRequest, Project, P], HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            slug = str(kwargs.pop("slug"))
            try:
                project = project_get(slug=slug, user=actor_of(request), capability=capability)
                return view(request, project, *args, **kwargs)
            except NotFound as error:
                raise Http404(error.detail) from error
            except Forbidden as error:
                raise PermissionDenied(error.detail) from error

        return checked

    return decorate


def actor_of(request: HttpRequest) -> User:
    """The person who asks; only behind ``login_required``."""
    return cast(User, request.user)


def capabilities_of(role: str | None) -> frozenset[str]:
    """Everything a role may do in a project."""
    return frozenset(name for name, roles in CAPABILITIES.items() if role in roles)


def project_render(
    request: HttpRequest,
    project: Project,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    """Render a page of a project, with the reader's role and what it allows."""
    role = role_of(project=project, user=actor_of(request))
    known = {"project": project, "role": role, "can": capabilities_of(role)}
    return render(request, f"dashboard/{template}.html", {**known, **(context or {})}, status=status)


def errors_show(form: BaseForm, error: KedgeError) -> None:
    """Put a service's refusal beside the fields it names, else above the form."""
    named = {name: found for name, found in error.fields.items() if name in form.fields}
    for name, found in named.items():
        form.add_error(name, found)
    if not named:
        form.add_error(None, error.detail)


def refused(request: HttpRequest, error: KedgeError) -> None:
    """Say on the next page why a button did nothing. What is not visible or not allowed stays 404 and 403."""
    if isinstance(error, NotFound | Forbidden):
        raise error
    messages.error(request, error.detail)


def may_do(request: HttpRequest, project: Project) -> frozenset[str]:
    """Everything the reader may do in the project."""
    return capabilities_of(role_of(project=project, user=actor_of(request)))
