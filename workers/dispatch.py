"""How a queued run reaches a worker: a message with its id, sent when the transaction is committed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from celery import current_app
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import KombuError, OperationalError

from workers.models import Run

logger = logging.getLogger(__name__)
TASK = "workers.run"
QUEUE = "gpu"
_held: ContextVar[bool] = ContextVar("dispatch_held", default=False)


@contextmanager
def held() -> Iterator[None]:
    """Inside, nothing is sent and no run starts by itself: the caller executes runs in this process."""
    token = _held.set(True)
    try:
        yield
    finally:
        _held.reset(token)


def is_held() -> bool:
    return _held.get()


def run_send(run_id: int) -> None:
    """Send the run's message once the open transaction is committed."""
    if not is_held():
        transaction.on_commit(lambda: send_now(run_id))


def send_now(run_id: int) -> bool:
    """Send the message; False when the broker cannot be reached.

    The run then stays queued, and ``runs_recover`` sends it again: the database is the truth, the
    message only wakes somebody up.
    """
    Run.objects.filter(pk=run_id).update(sent_at=timezone.now())
    try:
        current_app.send_task(TASK, args=[run_id], queue=QUEUE, retry=False)
    except (KombuError, OperationalError, OSError) as error:
        logger.warning("Run %s was not sent, it will be sent again: %s", run_id, error)
        return False
    return True
