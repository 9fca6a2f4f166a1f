"""Leases and places: how a task comes into somebody's hands, stays there for a time, and goes back.

A place is taken by one conditional UPDATE whose WHERE repeats the whole condition, so that of many processes that
chose the same task only as many succeed as there are places, on SQLite (which ignores SKIP LOCKED) as on PostgreSQL
(which would hand ``WHERE id = (SELECT … LIMIT 1)`` out twice). Gold and repeats have no places: nobody waits for them.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from annotation.exceptions import StaleTransition
from annotation.models import PLACED_KINDS, Assignment, AssignmentState, Project, Task, TaskState
from annotation.prepared import Update, key, moment
from annotation.states import assignment_move

SWEEP = 200  # expired leases returned by one call: each call stays short
RENEWALS = 8  # lease times that one showing lasts in all: a forgotten tab does not hold a task for ever


SHOW = Update(
    lambda: (
        Assignment.objects.filter(pk=key("assignment"), shown_at=None, state=AssignmentState.LEASED),
        {"shown_at": moment("now"), "lease_expires": moment("expires")},
    )
)
TAKE = Update(
    lambda: (
        Task.objects.filter(pk=key("task"), state=TaskState.OPEN, taken__lt=F("wanted_raters")),
        {
            "taken": F("taken") + 1,
            "state": Case(When(taken__gte=F("wanted_raters") - 1, then=Value(TaskState.FULL)), default=F("state")),
        },
    )
)


def clock_start(*, assignment: Assignment, project: Project, now: datetime) -> None:
    """Start the clock of a lease that was fetched ahead, once."""
    if assignment.shown_at is not None:
        return
    expires = now + timedelta(minutes=project.lease_minutes)
    SHOW(assignment=assignment.pk, now=now, expires=expires)
    assignment.shown_at, assignment.lease_expires = now, expires


def lease_renew(*, assignment: Assignment, project: Project) -> datetime:
    """A full lease from now on, while somebody works on the task; when it ends.

    At most RENEWALS leases after the task was shown; from there on the end stays where it is. What the person has
    fetched ahead is held for as long behind it. Raises StaleTransition when the lease is not live any more.
    """
    now = timezone.now()
    lease = timedelta(minutes=project.lease_minutes)
    live = Assignment.objects.filter(state=AssignmentState.LEASED, lease_expires__gte=now)
    with transaction.atomic():
        shown = assignment.shown_at or now
        # Never shortened: the project's lease may have been made shorter since.
        expires = max(assignment.lease_expires, min(now + lease, shown + RENEWALS * lease))
        if assignment.shown_at is None:
            expires = now + lease
        if live.filter(pk=assignment.pk).update(shown_at=shown, lease_expires=expires) != 1:
            raise StaleTransition("The lease of this task ran out: load it again.")
        ahead = live.filter(annotator=assignment.annotator_id, task__project=project, shown_at=None)
        ahead.filter(lease_expires__lt=expires + lease).update(lease_expires=expires + lease)
    assignment.shown_at, assignment.lease_expires = shown, expires
    return expires


def place_take(task_id: int) -> bool:
    """Take one place of an open task; False when there is none (any more)."""
    return TAKE(task=task_id) == 1


def place_return(task_id: int) -> None:
    """Give one place of a task back to the others. A task that was closed stays closed."""
    reopened = Case(When(state=TaskState.CLOSED, then=F("state")), default=Value(TaskState.OPEN))
    returned = Task.objects.filter(pk=task_id, taken__gt=0).update(taken=F("taken") - 1, state=reopened)
    if returned != 1 and _has_places(task_id):
        raise StaleTransition(f"Task {task_id} has no place to return.")


def _has_places(task_id: int) -> bool:
    return Task.objects.filter(pk=task_id, kind__in=PLACED_KINDS).exists()


def leases_expire(*, now: datetime | None = None, limit: int = SWEEP) -> int:
    """Return the places of leases that ran out; how many. Anybody may call it at any time, at once."""
    now = now or timezone.now()
    overdue = Assignment.objects.filter(state=AssignmentState.LEASED, lease_expires__lt=now)
    expired = 0
    # By task, so that two sweeps at once lock the tasks in the same order.
    for assignment in sorted(overdue.order_by("lease_expires")[:limit], key=lambda row: row.task_id):
        try:
            lease_end(assignment=assignment, condition={"lease_expires__lt": now})
        except StaleTransition:
            continue  # submitted, or expired by somebody else, in between
        expired += 1
    return expired


def lease_end(*, assignment: Assignment, condition: dict[str, datetime] | None = None) -> None:
    """End a lease without an answer: its place goes to others. Raises StaleTransition."""
    with transaction.atomic():
        assignment_move(
            assignment=assignment, old=AssignmentState.LEASED, new=AssignmentState.EXPIRED, condition=condition
        )
        place_return(assignment.task_id)


def lease_revive(*, assignment: Assignment, project: Project) -> bool:
    """Take an expired lease up again; False when the task has no place left."""
    with transaction.atomic():
        # Assignment first, then task, as everywhere: the other order could lock two requests against each other.
        Assignment.objects.select_for_update().filter(pk=assignment.pk).first()
        if not place_take(assignment.task_id) and _has_places(assignment.task_id):
            return False
        now = timezone.now()
        assignment_move(
            assignment=assignment,
            old=AssignmentState.EXPIRED,
            new=AssignmentState.LEASED,
            leased_at=now,
            shown_at=now,
            lease_expires=now + timedelta(minutes=project.lease_minutes),
        )
    return True
