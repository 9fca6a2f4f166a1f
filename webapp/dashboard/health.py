"""What a load balancer and ``make demo`` ask: can work be done here, and if not, what is missing?"""

import logging

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from annotation.models import Assignment, AssignmentState, Task, TaskState

logger = logging.getLogger(__name__)

BROKER_TIMEOUT = 2.0  # seconds


def database_missing() -> str | None:
    """Why the database cannot be used, or None."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        logger.warning("The database does not answer: %s", error)
        return "The database does not answer: look at DATABASE_URL and at the server's log."
    if waiting:
        return f"{len(waiting)} migrations are not applied: run `python manage.py migrate`."
    return None


def tasks_missing() -> str | None:
    """Why nobody can rank anything, or None. A live lease counts: its annotator is working on it."""
    if Task.objects.filter(state=TaskState.OPEN).exists():
        return None
    live = Assignment.objects.filter(state=AssignmentState.LEASED, lease_expires__gt=timezone.now())
    if live.exists():
        return None
    return "No project has an open task: import prompts, and wait until their completions are generated."


def broker_missing() -> str | None:
    """Why runs cannot be queued, or None."""
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=BROKER_TIMEOUT) as broker:  # type: ignore[no-untyped-call]  # kombu has no types
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT)
    except (OperationalError, OSError) as error:
        logger.warning("The broker does not answer: %s", error)
        return "The broker does not answer: look at CELERY_BROKER_URL and at the server's log."
    return None


def answer(missing: list[str]) -> JsonResponse:
    return JsonResponse({"ok": not missing, "missing": missing}, status=503 if missing else 200)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when tasks can be ranked; 503 with what is missing otherwise."""
    database = database_missing()
    return answer([text for text in (database, None if database else tasks_missing()) if text])


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database and the broker answer; 503 with what is missing otherwise."""
    return answer([text for text in (database_missing(), broker_missing()) if text])
