"""Who gets which task, for how long, and in which order its completions are shown.

The races. A task has ``wanted_raters`` places. A place is taken by one conditional UPDATE whose
WHERE repeats the whole condition, so that of many processes that chose the same task only as many
succeed as there are places, on SQLite (which ignores SKIP LOCKED) as on PostgreSQL (which would
hand ``WHERE id = (SELECT … LIMIT 1)`` out twice). SKIP LOCKED is used where there is one, only so
that people do not queue behind each other. A person's own requests are put in a row by locking
their membership: two tabs get one and the same lease.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction
from django.db.models import Case, Exists, F, OuterRef, QuerySet, Value, When
from django.utils import timezone
from scipy.optimize import linear_sum_assignment

from annotation.exceptions import NotFound, StaleTransition
from annotation.models import (
    Assignment,
    AssignmentEvent,
    AssignmentState,
    Membership,
    Project,
    Split,
    Task,
    TaskState,
)
from annotation.states import assignment_move
from annotation.users import User

SWEEP = 200  # expired leases returned by one call: each call stays short
RENEWALS = 8  # lease times that one showing lasts in all: a forgotten tab does not hold a task for ever
ORDER_MEMORY = 60  # earlier tasks that a display order is balanced against


def split_of(identity: str, salt: str) -> Split:
    """train, validation or test (80, 10, 10 %) by sha256 of ``salt:identity``, fixed for ever."""
    bucket = int.from_bytes(hashlib.sha256(f"{salt}:{identity}".encode()).digest()[:8]) % 100
    return Split.TRAIN if bucket < 80 else Split.VALIDATION if bucket < 90 else Split.TEST


def task_next(*, project: Project, annotator: User, ahead: bool = False) -> Assignment | None:
    """The annotator's oldest live lease, else a new one; None when nothing is left for them.

    ``ahead`` asks for the one after the task on the screen: at most one more is taken, and its clock
    starts when it is asked for without ``ahead``.
    """
    leases_expire()
    with transaction.atomic():
        _queue_up(project, annotator)
        now = timezone.now()
        live = list(_live(project, annotator, now)[:2])
        if live:
            clock_start(assignment=live[0], project=project, now=now)
        if live and not ahead:
            return live[0]
        if len(live) > 1:
            return live[1]
        return _lease(project, annotator, now, shown=not live)


def clock_start(*, assignment: Assignment, project: Project, now: datetime) -> None:
    """Start the clock of a lease that was fetched ahead, once."""
    if assignment.shown_at is not None:
        return
    expires = now + timedelta(minutes=project.lease_minutes)
    rows = Assignment.objects.filter(pk=assignment.pk, shown_at=None, state=AssignmentState.LEASED)
    rows.update(shown_at=now, lease_expires=expires)
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
    rows = Task.objects.filter(pk=task_id, state=TaskState.OPEN, taken__lt=F("wanted_raters"))
    full = When(taken__gte=F("wanted_raters") - 1, then=Value(TaskState.FULL))
    return rows.update(taken=F("taken") + 1, state=Case(full, default=F("state"))) == 1


def place_return(task_id: int) -> None:
    """Give one place of a task back to the others. A task that was closed stays closed."""
    reopened = Case(When(state=TaskState.CLOSED, then=F("state")), default=Value(TaskState.OPEN))
    if Task.objects.filter(pk=task_id, taken__gt=0).update(taken=F("taken") - 1, state=reopened) != 1:
        raise StaleTransition(f"Task {task_id} has no place to return.")


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
        if not place_take(assignment.task_id):
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


def display_order(
    completions: Sequence[int], earlier: Sequence[Sequence[int]], raters: Sequence[Sequence[int]], seed: str
) -> list[int]:
    """A random order in which every completion has stood in every place about equally often.

    ``earlier`` are the orders this annotator saw on other tasks, ``raters`` those in which others saw
    this task. Completions are compared by their rank in id order, which is the order of sampling or
    of systems. Of all orders, one is drawn that repeats least: the cheapest assignment of ranks to
    places, where a place costs how often that rank stood there.
    """
    items = sorted(completions)
    k = len(items)
    rng = random.Random(seed)  # noqa: S311 -- a shuffle that can be replayed; nothing is secret
    # [rank, place]; less than one repetition in all, so that it only decides between equals.
    cost = [[rng.random() / (k * k) for _ in range(k)] for _ in range(k)]
    for orders, weight in ((earlier, 1), (raters, ORDER_MEMORY)):
        for order in orders:
            if len(order) == k:
                for place, rank in enumerate(_ranks(order)):
                    cost[rank][place] += weight
    ranks, places = linear_sum_assignment(np.array(cost).reshape(k, k))
    shown = {int(place): items[rank] for rank, place in zip(ranks, places, strict=True)}
    return [shown[place] for place in range(k)]


def _ranks(order: Sequence[int]) -> list[int]:
    rank = {item: index for index, item in enumerate(sorted(order))}
    return [rank[item] for item in order]


def _queue_up(project: Project, annotator: User) -> None:
    # The row lock lasts until the transaction ends; on SQLite the transaction itself is the lock.
    if Membership.objects.select_for_update().filter(project=project, user=annotator).first() is None:
        raise NotFound("No such project.")


def _live(project: Project, annotator: User, now: datetime) -> QuerySet[Assignment]:
    """Live leases, the one on the screen first, then in the order in which they were taken."""
    mine = Assignment.objects.filter(annotator=annotator, state=AssignmentState.LEASED, lease_expires__gte=now)
    return mine.filter(task__project=project).order_by(F("shown_at").asc(nulls_last=True), "id")


def _lease(project: Project, annotator: User, now: datetime, *, shown: bool) -> Assignment | None:
    for task in _candidates(project, annotator):
        if place_take(task.pk):
            return _assign(task, project, annotator, now, shown=shown)
    # Nothing fresh is left: what this person let run out, if nobody took it.
    mine = Assignment.objects.filter(annotator=annotator, state=AssignmentState.EXPIRED, task__project=project)
    for assignment in mine.filter(task__state=TaskState.OPEN).order_by("id")[:SWEEP]:
        if lease_revive(assignment=assignment, project=project):
            return assignment
    return None


def _candidates(project: Project, annotator: User) -> Iterator[Task]:
    """Open tasks for this person, best first, one query for each.

    A prompt is met once. Only when no other is left, a later round's completions of a prompt met in
    an earlier round are handed out: a deliberate repeat with other texts.
    Index ``task_next`` gives the order and ``assignment_seen`` the test, so the cost of a query depends on
    what this person has met, and not on the number of tasks.
    """
    met = Assignment.objects.filter(prompt=OuterRef("prompt"), annotator=annotator)
    met_as_late = met.filter(task__round_number__gte=OuterRef("round_number"))
    opened = Task.objects.filter(project=project, state=TaskState.OPEN, taken__lt=F("wanted_raters"))
    for new in (~Exists(met), ~Exists(met_as_late)):
        tasks = opened.filter(new).order_by("-priority", "id")
        if connection.features.has_select_for_update_skip_locked:
            while (task := tasks.select_for_update(skip_locked=True, of=("self",)).first()) is not None:
                yield task
        # Without SKIP LOCKED, too: a task that was locked a moment ago may still have a place.
        while (task := tasks.first()) is not None:
            yield task


def _assign(task: Task, project: Project, annotator: User, now: datetime, *, shown: bool) -> Assignment:
    lease = timedelta(minutes=project.lease_minutes)
    completions = list(task.completions.values_list("id", flat=True))
    recent = Assignment.objects.filter(annotator=annotator).order_by("-id")[:ORDER_MEMORY]
    others = Assignment.objects.filter(task=task)
    assignment = Assignment.objects.create(
        task=task,
        prompt_id=task.prompt_id,
        annotator=annotator,
        display_order=display_order(
            completions,
            list(recent.values_list("display_order", flat=True)),
            list(others.values_list("display_order", flat=True)),
            f"{project.split_salt}:{task.pk}:{annotator.pk}",
        ),
        leased_at=now,
        shown_at=now if shown else None,
        # Fetched ahead: held for the time of the task before it and its own.
        lease_expires=now + (lease if shown else 2 * lease),
    )
    AssignmentEvent.objects.create(assignment=assignment, new=AssignmentState.LEASED)
    return assignment
