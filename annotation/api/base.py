"""What the endpoints share: strict bodies, one way to read them, lists by cursor, a limit on size."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.utils.http import http_date
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import exceptions, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.users import User

M = TypeVar("M", bound=Model)
S = TypeVar("S", bound=serializers.BaseSerializer[Any])


class TooLarge(exceptions.APIException):
    status_code = 413
    default_code = "too_large"


class StrictSerializer(serializers.Serializer[Any]):
    """An unknown field is an error: a misspelt one must not be dropped in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(map(str, data)) - set(self.fields))):
            known = ", ".join(name for name, field in self.fields.items() if not field.read_only)
            raise serializers.ValidationError(dict.fromkeys(unknown, f"Unknown field. Known are: {known}."))
        return super().to_internal_value(data)


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error of the API."""

    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="For people: what was seen and what to do.")
    fields = serializers.DictField(  # type: ignore[assignment]  # the contract's name
        child=serializers.ListField(child=serializers.CharField()), help_text="Messages by field."
    )


def answers(success: Mapping[Any, Any], *errors: int) -> dict[Any, Any]:
    """The ``responses`` of an endpoint's schema: its answers, and the errors that all endpoints have."""
    numbers = {400, 401, 403, 404, *errors}
    return {**success, **{number: OpenApiResponse(ErrorSerializer) for number in sorted(numbers)}}


NEXT_PAGE = [
    OpenApiParameter("cursor", str, description="Where to go on: from ``next`` or ``previous``."),
    OpenApiParameter("page_size", int, description="At most 200; 50 unless told."),
]


def paged(serializer: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The schema of a page of ``serializer``."""
    name = f"PageOf{serializer.__name__.removesuffix('Serializer')}"
    address = serializers.URLField(allow_null=True)
    fields = {"next": address, "previous": serializers.URLField(allow_null=True), "results": serializer(many=True)}
    return inline_serializer(name, fields=fields)


class NewestFirst(CursorPagination):
    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class OldestFirst(NewestFirst):
    ordering = "id"


class KedgeView(APIView):
    """JSON in, JSON out, at most ``max_body`` bytes. Who may, the services and selectors behind it decide."""

    parser_classes = [JSONParser]
    max_body = 2 * 1024 * 1024
    max_json = 16 * 1024 * 1024  # a JSON body is held in memory as a whole

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        length = str(request.META.get("CONTENT_LENGTH") or "0")
        as_json = not (request.content_type or "").startswith("multipart/")
        limit = min(self.max_body, self.max_json) if as_json else self.max_body
        if length.isdigit() and int(length) > limit:
            raise TooLarge(f"The request has {length} bytes; {limit} is the most here.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Date", http_date())  # leases end by this clock; not every web server tells it
        return answer


def person(request: Request) -> User:
    """Who asks. The settings' IsAuthenticated stands before every view; this stands behind it."""
    if isinstance(request.user, AnonymousUser):
        raise exceptions.NotAuthenticated
    return request.user


def read(serializer: type[StrictSerializer], request: Request, **options: Any) -> dict[str, Any]:
    """The validated body, or a ValidationError with the fields at fault."""
    if options or not isinstance(request.data, dict):
        checked = serializer(data=request.data, **options)
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)
    return dict(shared(serializer).run_validation(request.data))


@cache
def shared(serializer: type[S]) -> S:
    """One of it for all requests, to validate and to represent: neither changes it, and its fields are costly to copy.

    It must not need a context: the request, the view.
    """
    return serializer()


def page(
    view: APIView,
    rows: QuerySet[M],
    serializer: type[serializers.BaseSerializer[Any]],
    *,
    paginator: type[CursorPagination] = NewestFirst,
) -> Response:
    """One page of ``rows``."""
    cursor = paginator()
    items: Sequence[M] = cursor.paginate_queryset(rows, view.request, view=view) or []
    return cursor.get_paginated_response(serializer(items, many=True).data)
