"""``Idempotency-Key``: the same write sent again gets the answer that it got, and is done once.

The record of the answer is written in the transaction of the write itself, key first. Of two equal
requests at once, the second waits at the key's unique constraint (or at SQLite's write lock) until
the first has ended, and then finds its answer. An error is not remembered: it undid everything, and
the same request may succeed later. Answers are kept for a week: services.answers_forget.
"""

import hashlib
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.base import person
from annotation.exceptions import IdempotencyConflict, InvalidInput
from annotation.models import IdempotentRequest
from annotation.services.answers import KEPT
from annotation.users import User

HEADER = "Idempotency-Key"
MAX_KEY = 200
Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Decorate a view's ``post``, ``put``, ``patch`` or ``delete``. Without the header it changes nothing."""

    @wraps(handler)
    def wrapper(view: APIView, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER, "").strip()
        if not key:
            return handler(view, request, *args, **kwargs)
        if len(key) > MAX_KEY or not key.isprintable():
            raise InvalidInput(f"{HEADER} is at most {MAX_KEY} printable characters.")
        fingerprint = _fingerprint(request)
        try:
            with transaction.atomic():
                record = _claim(request, key, fingerprint)
                response = handler(view, request, *args, **kwargs)
                record.status = response.status_code
                record.body = json.loads(JSONRenderer().render(response.data) or "null")
                record.save(update_fields=["status", "body"])
                return response
        except _Known as known:
            if known.record.fingerprint != fingerprint:
                raise IdempotencyConflict(f"This {HEADER} was used for another request.") from known
            return Response(known.record.body, status=known.record.status)

    return wrapper


class _Known(Exception):  # noqa: N818 -- not an error: the way out of the transaction
    def __init__(self, record: IdempotentRequest) -> None:
        self.record = record


def _claim(request: Request, key: str, fingerprint: str) -> IdempotentRequest:
    user = person(request)
    try:
        return _record(user, key, fingerprint)
    except IntegrityError:
        known = IdempotentRequest.objects.get(user=user, key=key)
        if known.created_at >= timezone.now() - KEPT:
            raise _Known(known) from None
    known.delete()  # it only has not been swept away yet
    return _record(user, key, fingerprint)


def _record(user: User, key: str, fingerprint: str) -> IdempotentRequest:
    with transaction.atomic():  # a savepoint: PostgreSQL goes on after the IntegrityError
        return IdempotentRequest.objects.create(user=user, key=key, fingerprint=fingerprint, status=0)


def _fingerprint(request: Request) -> str:
    body = request.data
    if hasattr(body, "lists"):
        body = {name: [_plain(value) for value in values] for name, values in body.lists()}
    content = json.dumps([request.method, request.get_full_path(), body], sort_keys=True, default=str)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return value
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return [value.name, digest.hexdigest()]
