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
from django.db import transaction
from django.db.models import JSONField, SmallIntegerField
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.base import person
from annotation.exceptions import IdempotencyConflict, InvalidInput
from annotation.models import IdempotentRequest
from annotation.prepared import Insert, Slot, Update, key
from annotation.services.answers import KEPT

HEADER = "Idempotency-Key"
MAX_KEY = 200
Handler = Callable[..., Response]

REQUESTS = Insert(IdempotentRequest)
ANSWER = Update(
    lambda: (
        IdempotentRequest.objects.filter(pk=key("request")),
        {"status": Slot("status", SmallIntegerField()), "body": Slot("body", JSONField())},
    )
)


def idempotent(handler: Handler) -> Handler:
    """Decorate a view's ``post``, ``put``, ``patch`` or ``delete``. Without the header it changes nothing."""

    @wraps(handler)
    def wrapper(view: APIView, request: Request, *args: Any, **kwargs: Any) -> Response:
        name = request.headers.get(HEADER, "").strip()
        if not name:
            return handler(view, request, *args, **kwargs)
        if len(name) > MAX_KEY or not name.isprintable():
            raise InvalidInput(f"{HEADER} is at most {MAX_KEY} printable characters.")
        fingerprint = _fingerprint(request)
        try:
            with transaction.atomic():
                record = _claim(request, name, fingerprint)
                response = handler(view, request, *args, **kwargs)
                body = JSONRenderer().render(response.data).decode() or "null"
                ANSWER(request=record.pk, status=response.status_code, body=body)
                return response
        except _Known as known:
            if known.record.fingerprint != fingerprint:
                raise IdempotencyConflict(f"This {HEADER} was used for another request.") from known
            return Response(known.record.body, status=known.record.status)

    return wrapper


class _Known(Exception):  # noqa: N818 -- not an error: the way out of the transaction
    def __init__(self, record: IdempotentRequest) -> None:
        self.record = record


def _claim(request: Request, name: str, fingerprint: str) -> IdempotentRequest:
    record = IdempotentRequest(user=person(request), key=name, fingerprint=fingerprint, status=0)
    while not REQUESTS.one(record, unless_there=True):
        known = IdempotentRequest.objects.filter(user=record.user, key=name).first()
        if known is None:
            continue  # swept away since
        if known.created_at >= timezone.now() - KEPT:
            raise _Known(known)
        known.delete()  # it only has not been swept away yet
    return record


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
