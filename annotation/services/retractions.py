"""Taking labels back: the next snapshot is without them, and the earlier ones say how many they hold."""

from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from annotation.exceptions import Conflict, InvalidInput, NotFound
from annotation.models import (
    PLACED_KINDS,
    PreferencePair,
    Project,
    Ranking,
    RankingOrigin,
    Retraction,
    Task,
    TaskState,
)
from annotation.services.audit import audit_record
from annotation.services.overruling import overruling_refresh
from annotation.services.pairs import pairs_store
from annotation.services.recount import snapshots_recount
from annotation.texts import text_problem
from annotation.users import User

ROWS_AT_ONCE = 2000
MAX_REASON = 2000


def retraction_create(
    *,
    project: Project,
    reason: str,
    actor: User | None,
    annotator: User | None = None,
    batch: str = "",
    requeue: bool = False,
) -> Retraction:
    """Take back every current label of ``annotator``, or of the import ``batch``.

    They stay in the tables, no longer current and without pairs. Gold and repeats are no labels: they stay, and
    with them the reason why somebody was not to be trusted. ``requeue`` asks others for a ranking instead.
    Raises InvalidInput without a reason or with anything but one of the two, NotFound when there is nothing.
    """
    _check(annotator, batch, reason)
    with transaction.atomic():
        # In a row with freezes: what they hold is counted after this, or they are without it.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        retraction = Retraction.objects.create(
            project=project,
            annotator=annotator,
            batch=batch,
            reason=reason.strip(),
            requeued=requeue,
            rankings=0,
            actor=actor,
        )
        retraction.rankings = _take_back(retraction)
        if not retraction.rankings:
            raise NotFound("There is no label of this kind: nothing was taken back.")
        retraction.save(update_fields=["rankings"])
        PreferencePair.objects.filter(ranking__retraction=retraction).delete()
        _finals_settle(retraction)
        if requeue:
            _ask_others(retraction)
        snapshots_recount(project=project)
        _record("retraction.create", retraction, actor, requeue=requeue)
    return retraction


def retraction_undo(*, retraction: Retraction, actor: User | None) -> Retraction:
    """Make the labels current again, with the pairs they had. Places that nobody took meanwhile close again.

    Raises Conflict when it was undone already, or when a task has another final ranking by now.
    """
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=retraction.project_id)
        now = timezone.now()
        if Retraction.objects.filter(pk=retraction.pk, undone_at=None).update(undone_at=now) != 1:
            raise Conflict("This was undone already.")
        finals = list(_finals(retraction).values_list("assignment__task_id", flat=True))
        _check_finals(finals)
        placed = _labels(retraction).exclude(origin=RankingOrigin.ADJUDICATED)
        tasks = list(placed.values_list("assignment__task_id", flat=True).distinct())
        _labels(retraction).filter(is_current=False).update(is_current=True)
        rows = _labels(retraction).select_related("prompt").order_by("pk")
        pairs_store(rows.iterator(chunk_size=ROWS_AT_ONCE))
        _labels(retraction).update(retraction=None)
        overruling_refresh(task_ids=finals)
        if retraction.requeued:
            _close_places(tasks)
        snapshots_recount(project=retraction.project)
        _record("retraction.undo", retraction, actor)
    retraction.undone_at = now
    return retraction


def _check(annotator: User | None, batch: str, reason: str) -> None:
    fields: dict[str, list[str]] = {}
    if (annotator is None) == (not batch):
        fields["annotator"] = ["Name an annotator or a batch: one of the two."]
    if not reason.strip():
        fields["reason"] = ["Say why: whoever reads the models' history will ask."]
    elif problem := text_problem(reason) or (
        f"Longer than {MAX_REASON} characters." if len(reason) > MAX_REASON else None
    ):
        fields["reason"] = [problem]
    if fields:
        raise InvalidInput(" ".join(messages[0] for messages in fields.values()), fields=fields)


def _take_back(retraction: Retraction) -> int:
    mine: dict[str, Any] = (
        {"annotator": retraction.annotator} if retraction.annotator_id else {"batch": retraction.batch}
    )
    taken = 0
    # Again until there is none: an edit that was being written meanwhile left a newer revision.
    while (
        count := Ranking.objects.labels()
        .filter(project=retraction.project, **mine)
        .update(is_current=False, retraction=retraction)
    ):
        taken += count
    return taken


def _labels(retraction: Retraction) -> Any:
    return Ranking.objects.filter(retraction=retraction)


def _finals(retraction: Retraction) -> Any:
    return _labels(retraction).filter(origin=RankingOrigin.ADJUDICATED)


def _finals_settle(retraction: Retraction) -> None:
    """A final ranking that was taken back overrules nobody."""
    overruling_refresh(task_ids=list(_finals(retraction).values_list("assignment__task_id", flat=True)))


def _check_finals(task_ids: list[int]) -> None:
    others = Ranking.objects.labels().filter(assignment__task__in=task_ids, origin=RankingOrigin.ADJUDICATED)
    if found := others.values_list("assignment__task_id", flat=True).first():
        raise Conflict(f"Task {found} has another final ranking by now: undo that first.")


def _ask_others(retraction: Retraction) -> None:
    """One more rater for each task. The places that were taken stay so: their people do not meet the task again."""
    tasks = Task.objects.filter(_own_tasks(retraction), kind__in=PLACED_KINDS).exclude(state=TaskState.CLOSED)
    tasks.update(wanted_raters=F("wanted_raters") + 1, state=TaskState.OPEN)


def _own_tasks(retraction: Retraction) -> Q:
    # Of a final ranking nobody took a place.
    labels = _labels(retraction).exclude(origin=RankingOrigin.ADJUDICATED)
    return Q(pk__in=labels.values("assignment__task_id"))


def _close_places(tasks: list[int]) -> None:
    full = When(wanted_raters__lte=F("taken") + 1, then=Value(TaskState.FULL))
    for start in range(0, len(tasks), ROWS_AT_ONCE):
        free = Task.objects.filter(pk__in=tasks[start : start + ROWS_AT_ONCE], state=TaskState.OPEN)
        free.filter(taken__lt=F("wanted_raters"), wanted_raters__gt=1).update(
            wanted_raters=F("wanted_raters") - 1, state=Case(full, default=F("state"))
        )


def _record(verb: str, retraction: Retraction, actor: User | None, **data: object) -> None:
    audit_record(
        verb=verb,
        actor=actor,
        project=retraction.project,
        target=str(retraction.pk),
        annotator=retraction.annotator.get_username() if retraction.annotator else "",
        batch=retraction.batch,
        reason=retraction.reason,
        rankings=retraction.rankings,
        **data,
    )
