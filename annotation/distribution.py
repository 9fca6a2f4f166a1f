"""Who gets which task, and in which order its completions are shown.

The races. A place is taken by one conditional UPDATE (annotation.leases). SKIP LOCKED is used where
there is one, only so that people do not queue behind each other. A person's own requests are put in a
row by locking their membership: two tabs get one and the same lease.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import scipy
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from annotation.checks import Lot, check_draw
from annotation.exceptions import NotFound
from annotation.leases import SWEEP, clock_start, lease_revive, leases_expire, place_take
from annotation.models import (
    Assignment,
    AssignmentEvent,
    AssignmentState,
    Membership,
    Project,
    Ranking,
    Split,
    Strategy,
    Task,
    TaskKind,
    TaskState,
    texts_of,
)
from annotation.prepared import Insert, Select, key, moment
from annotation.states import EVENTS
from annotation.strategies import Order, draws
from annotation.users import User

ORDER_MEMORY = 60  # earlier tasks that a display order is balanced against

QUEUE = Select(lambda: Membership.objects.select_for_update().filter(project=key("project"), user=key("annotator")))
# Live leases, the one on the screen first, then in the order in which they were taken.
LIVE = Select(
    lambda: (
        Assignment.objects.filter(
            annotator=key("annotator"),
            state=AssignmentState.LEASED,
            lease_expires__gte=moment("now"),
            task__project=key("project"),
        )
        .select_related("task", "prompt")
        .order_by(F("shown_at").asc(nulls_last=True), "id")[:2]
    )
)
RECENT = Select(
    lambda: (
        Assignment.objects.filter(annotator=key("annotator"))
        .order_by("-id")
        .values_list("id", "display_order")[:ORDER_MEMORY]
    )
)
OTHERS = Select(lambda: Assignment.objects.filter(task=key("task")).values_list("display_order"))
ASSIGNMENTS = Insert(Assignment)


def split_of(identity: str, salt: str) -> Split:
    """train, validation or test (80, 10, 10 %) by sha256 of ``salt:identity``, fixed for ever."""
    bucket = int.from_bytes(hashlib.sha256(f"{salt}:{identity}".encode()).digest()[:8]) % 100
    return Split.TRAIN if bucket < 80 else Split.VALIDATION if bucket < 90 else Split.TEST


class Waiting(StrEnum):
    """Why somebody gets nothing new."""

    NOTHING = "nothing_left"
    PROJECT = "project_paused"
    PERSON = "person_paused"
    QUOTA = "quota_reached"


def task_next(*, project: Project, annotator: User, ahead: bool = False, checks: bool = True) -> Assignment | None:
    """The annotator's oldest live lease, else a new one; None when nothing is left for them.

    ``ahead`` asks for the one after the task on the screen: at most one more is taken, and its clock
    starts when it is asked for without ``ahead``. ``checks`` mixes gold and repeats in.
    """
    found = task_next_or_why(project=project, annotator=annotator, ahead=ahead, checks=checks)
    return found if isinstance(found, Assignment) else None


def task_next_or_why(
    *, project: Project, annotator: User, ahead: bool = False, checks: bool = True
) -> Assignment | Waiting:
    """As task_next, with the reason where there is no task. What is in somebody's hands they may always finish."""
    found = _next(project, annotator, ahead=ahead, checks=checks)
    # Leases that ran out return every few seconds by themselves: it need not be looked for in each request.
    if found is Waiting.NOTHING and leases_expire():
        found = _next(project, annotator, ahead=ahead, checks=checks)
    return found


def _next(project: Project, annotator: User, *, ahead: bool, checks: bool) -> Assignment | Waiting:
    with transaction.atomic():
        membership = _queue_up(project, annotator)
        now = timezone.now()
        live: list[Assignment] = LIVE(project=project.pk, annotator=annotator.pk, now=now)
        if live:
            clock_start(assignment=live[0], project=project, now=now)
        if live and not ahead:
            return _with_texts(live[0], project)
        if len(live) > 1:
            return _with_texts(live[1], project)
        if why := _refusal(project, membership, held=len(live)):
            return why
        assignment = _lease(project, annotator, now, shown=not live, checks=checks)
        return Waiting.NOTHING if assignment is None else _with_texts(assignment, project)


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
    ranks, places = scipy.optimize.linear_sum_assignment(np.array(cost).reshape(k, k))
    shown = {int(place): items[rank] for rank, place in zip(ranks, places, strict=True)}
    return [shown[place] for place in range(k)]


def _ranks(order: Sequence[int]) -> list[int]:
    rank = {item: index for index, item in enumerate(sorted(order))}
    return [rank[item] for item in order]


def _queue_up(project: Project, annotator: User) -> Membership:
    # The row lock lasts until the transaction ends; on SQLite the transaction itself is the lock.
    membership: Membership | None = QUEUE.first(project=project.pk, annotator=annotator.pk)
    if membership is None:
        raise NotFound("No such project.")
    return membership


def _refusal(project: Project, membership: Membership, *, held: int) -> Waiting | None:
    if project.paused:
        return Waiting.PROJECT
    if membership.paused:
        return Waiting.PERSON
    quota = membership.daily_quota
    if quota is None:
        return None
    if quota <= held:
        return Waiting.QUOTA
    # The ranking that would fill the quota, with what is in their hands: as many rows are looked at as it has.
    mine = Ranking.objects.filter(annotator=membership.user_id, project=project, revision=1).order_by("-id")
    filling = mine.values_list("created_at", flat=True)[quota - held - 1 : quota - held].first()
    return Waiting.QUOTA if filling is not None and filling >= midnight() else None


def midnight() -> datetime:
    """When today began, in the settings' time zone."""
    return timezone.make_aware(datetime.combine(timezone.localdate(), time.min))


def _with_texts(assignment: Assignment, project: Project) -> Assignment:
    """With what showing it needs in memory: no more queries."""
    assignment.task.project = project
    _ = assignment.texts
    return assignment


def _lease(project: Project, annotator: User, now: datetime, *, shown: bool, checks: bool) -> Assignment | None:
    recent = RECENT(annotator=annotator.pk)
    lot = Lot(project, annotator, recent[0][0] if recent else 0)
    terms = Terms(project, annotator, now, shown, [order for _, order in recent])
    if checks and (check := check_draw(lot)) is not None:
        if check.again is not None and lease_revive(assignment=check.again, project=project):
            return check.again
        if check.task is not None:
            return _assign(check.task, terms, order=check.order)
    for task, strategy in _candidates(project, annotator, lot):
        if place_take(task.pk):
            return _assign(task, terms, drawn_by=strategy)
    # Nothing fresh is left: what this person let run out, if nobody took it.
    mine = Assignment.objects.filter(annotator=annotator, state=AssignmentState.EXPIRED, task__project=project)
    mine = mine.filter(task__state=TaskState.OPEN).select_related("task", "prompt")
    for assignment in mine.order_by("id")[:SWEEP]:
        if lease_revive(assignment=assignment, project=project):
            return assignment
    return None


def _candidates(project: Project, annotator: User, lot: Lot) -> Iterator[tuple[Task, Strategy]]:
    """Open tasks for this person, best first, and the strategy that chose each; one query for each.

    A prompt is met once. Only when no other is left, a later round's completions of a prompt met in
    an earlier round are handed out: a deliberate repeat with other texts.
    The indexes ``task_next…`` give the order and ``assignment_seen`` the test, so the cost of a query depends on
    what this person has met, and not on the number of tasks.
    """
    for again in (False, True):

        def first(order: Order, *, locking: bool = False, again: bool = again, **values: Any) -> Task | None:
            found: Task | None = _front(order, again=again, locking=locking).first(
                project=project.pk, annotator=annotator.pk, **values
            )
            return found

        for draw in draws(project, first, lot.chance("strategy")):
            if connection.features.has_select_for_update_skip_locked:
                while (task := first(draw.order, locking=True, **draw.values)) is not None:
                    yield task, draw.strategy
            # Without SKIP LOCKED, too: a task that was locked a moment ago may still have a place.
            while (task := first(draw.order, **draw.values)) is not None:
                yield task, draw.strategy


@cache
def _front(order: Order, *, again: bool, locking: bool) -> Select:
    """The first open task, in this order, of a prompt that a person has not met; ``again``: not in its round."""

    def build() -> QuerySet[Task]:
        met = Assignment.objects.filter(prompt=OuterRef("prompt"), annotator=key("annotator"))
        if again:
            met = met.filter(task__round_number__gte=OuterRef("round_number"))
        opened = Task.objects.filter(project=key("project"), state=TaskState.OPEN, taken__lt=F("wanted_raters"))
        tasks = order(opened.filter(~Exists(met))).select_related("prompt")
        return (tasks.select_for_update(skip_locked=True, of=("self",)) if locking else tasks)[:1]

    return Select(build)


@dataclass(frozen=True)
class Terms:
    """To whom and for how long."""

    project: Project
    annotator: User
    now: datetime
    shown: bool
    recent: Sequence[Sequence[int]]  # the display orders of this person's latest tasks


def _assign(
    task: Task, terms: Terms, *, drawn_by: Strategy = Strategy.FIRST_IN, order: Sequence[int] | None = None
) -> Assignment:
    project, annotator, now = terms.project, terms.annotator, terms.now
    lease = timedelta(minutes=project.lease_minutes)
    texts = texts_of(task.pk)
    if order is None:
        # As it was read, before this place was taken: the first rater need not look for others.
        others = OTHERS(task=task.pk) if task.taken or task.kind == TaskKind.GOLD else []
        seed = f"{project.split_salt}:{task.pk}:{annotator.pk}"
        order = display_order(list(texts), terms.recent, [one for (one,) in others], seed)
    assignment = Assignment(
        task=task,
        prompt=task.prompt,
        annotator=annotator,
        display_order=list(order),
        leased_at=now,
        shown_at=now if terms.shown else None,
        # Fetched ahead: held for the time of the task before it and its own.
        lease_expires=now + (lease if terms.shown else 2 * lease),
        drawn_by=drawn_by,
    )
    assignment.texts = texts
    ASSIGNMENTS.one(assignment)
    EVENTS.one(AssignmentEvent(assignment=assignment, new=AssignmentState.LEASED))
    return assignment
