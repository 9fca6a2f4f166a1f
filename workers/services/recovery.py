"""Nothing stays running, and nothing stays queued, because a process or a message was lost."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from workers import dispatch
from workers.exceptions import StaleTransition
from workers.models import Round, RoundState, Run, RunState
from workers.services.endings import run_put_back
from workers.services.rounds import LIVE, round_advance

IDLE_RESEND = timedelta(seconds=20)  # a queued run that nothing stands in the way of
BUSY_RESEND = timedelta(minutes=10)  # a queued run behind others: its message may have been lost all the same


def runs_recover(*, now: datetime | None = None) -> int:
    """Take over runs whose heartbeat stopped, send lost messages again, advance rounds; how many were touched.

    Anybody may call it at any time, at once.
    """
    now = now or timezone.now()
    return _take_over(now) + _resend(now) + _advance()


def runs_wake() -> bool:
    """Send the oldest queued run's message: a place to train on has become free."""
    run_id = Run.objects.filter(state=RunState.QUEUED).order_by("pk").values_list("pk", flat=True).first()
    return run_id is not None and dispatch.send_now(run_id)


def _take_over(now: datetime) -> int:
    stale = Run.objects.filter(
        state=RunState.RUNNING, heartbeat_at__lt=now - timedelta(seconds=settings.RUN_STALE_SECONDS)
    )
    taken = 0
    for run in stale.order_by("pk"):
        silent = int((now - (run.heartbeat_at or now)).total_seconds())
        try:
            run_put_back(
                run_id=run.pk,
                attempt=run.attempt,
                reason=f"Its process on {run.worker} has given no sign of life for {silent} s.",
                counts=True,
            )
        except StaleTransition:
            continue  # it ended, or somebody else took it over, in between
        taken += 1
    return taken


def _resend(now: datetime) -> int:
    busy = Run.objects.filter(state=RunState.RUNNING).exists()
    waiting = Run.objects.filter(state=RunState.QUEUED).order_by("pk")
    overdue = waiting.filter(Q(sent_at=None) | Q(sent_at__lt=now - (BUSY_RESEND if busy else IDLE_RESEND)))
    # A second message for a run that waits is harmless: whoever comes second finds it claimed.
    return sum(dispatch.send_now(run_id) for run_id in overdue.values_list("pk", flat=True)[:50])


def _advance() -> int:
    """Rounds whose last run ended without the next one being started."""
    stuck = Round.objects.filter(state=RoundState.RUNNING).exclude(runs__state__in=LIVE)
    return sum(round_advance(round_id=round_id) is not None for round_id in stuck.values_list("pk", flat=True))
