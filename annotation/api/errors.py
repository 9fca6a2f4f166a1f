"""One shape for every error of the API: ``{"code", "detail", "fields"}``."""

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelInvalid
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from annotation.exceptions import Conflict, Forbidden, InvalidInput, KedgeError, NotFound

STATUS_OF: tuple[tuple[type[KedgeError], int], ...] = (
    (InvalidInput, status.HTTP_400_BAD_REQUEST),
    (Forbidden, status.HTTP_403_FORBIDDEN),
    (NotFound, status.HTTP_404_NOT_FOUND),
    (Conflict, status.HTTP_409_CONFLICT),
)


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: what is known becomes an answer, anything else stays a 500 with its traceback in the log."""
    if isinstance(exc, KedgeError):
        return _answer(_status(exc), exc.code, exc.detail, exc.fields)
    known = _translate(exc)
    if known is None:
        return None
    headers = {}
    if wait := getattr(known, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if challenge := getattr(known, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(known, exceptions.ValidationError):
        fields = _fields(known.detail)
        return _answer(known.status_code, "invalid", _summary(fields), fields, headers)
    code = known.get_codes()
    return _answer(known.status_code, code if isinstance(code, str) else "error", str(known.detail), {}, headers)


def _translate(exc: Exception) -> exceptions.APIException | None:
    if isinstance(exc, exceptions.APIException):
        return exc
    if isinstance(exc, Http404):
        return exceptions.NotFound()
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, ModelInvalid):
        return exceptions.ValidationError(exc.message_dict if hasattr(exc, "error_dict") else exc.messages)
    if isinstance(exc, RequestDataTooBig):
        return exceptions.ParseError("The request's body is too large.", code="too_large")
    # A header that is no text, a body nested a thousand deep: raised while the request is read.
    if isinstance(exc, SuspiciousOperation | UnicodeDecodeError | RecursionError):
        return exceptions.ParseError("The request could not be read.")
    return None


def _status(exc: KedgeError) -> int:
    return next((number for branch, number in STATUS_OF if isinstance(exc, branch)), status.HTTP_400_BAD_REQUEST)


def _fields(detail: Any) -> dict[str, list[str]]:
    """DRF's nested details, flat: ``{"groups.0": ["…"]}``; what belongs to no field is under ``""``."""
    flat: dict[str, list[str]] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, dict):
            for name, child in node.items():
                walk(child, path if name == "non_field_errors" else (*path, str(name)))
        elif isinstance(node, list):
            for index, child in enumerate(node):
                walk(child, path if isinstance(child, str) else (*path, str(index)))
        else:
            flat.setdefault(".".join(path), []).append(str(node))

    walk(detail, ())
    return flat


def _summary(fields: dict[str, list[str]]) -> str:
    return " ".join(f"{name}: {messages[0]}" if name else messages[0] for name, messages in fields.items())


def _answer(
    number: int, code: str, detail: str, fields: dict[str, list[str]], headers: dict[str, str] | None = None
) -> Response:
    set_rollback()
    return Response({"code": code, "detail": detail, "fields": fields}, status=number, headers=headers)


class UnknownEndpoint(APIView):
    """The last pattern below the API's root, so that an unknown address has the same shape of error."""

    schema = None

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise exceptions.NotFound("No such address in this API.")
