"""What the page's head offers: the reader's projects, newest membership last."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from annotation.models import Membership


def memberships_of(request: HttpRequest) -> list[Membership]:
    """The reader's memberships with their projects, by the project's name; none for a stranger."""
    if not request.user.is_authenticated:
        return []
    found = Membership.objects.filter(user=request.user.pk).select_related("project")
    return list(found.order_by("project__name", "project_id"))


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Lazy, so that a page without the project switcher asks nothing."""
    return {"memberships": SimpleLazyObject(lambda: memberships_of(request))}
