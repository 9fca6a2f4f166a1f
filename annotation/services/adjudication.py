"""What a reviewer decides about a task: the final ranking, to ask somebody else, or to leave it as it is."""

from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.db.models.functions import Greatest
from django.utils import timezone

from annotation.exceptions import Conflict, StaleTransition
from annotation.models import (
    LABEL_KINDS,
    PLACED_KINDS,
    Assignment,
    AssignmentEvent,
    AssignmentState,
    PreferencePair,
    Ranking,
    RankingOrigin,
    Task,
    TaskState,
)
from annotation.ranking import Answer, answer_check
from annotation.services.audit import audit_record
from annotation.services.overruling import overruling_refresh
from annotation.services.rankings import ranking_write
from annotation.users import User

ASKED_AGAIN = 100  # its priority: before the ordinary ones, which count rounds


def task_adjudicate(*, task: Task, answer: Answer, actor: User) -> Ranking:
    """Set the final ranking. It takes no place; the others stay as they are, overruled, and teach nothing.

    Raises Conflict where there is a final ranking already, nothing was ranked yet, or the reviewer has met the task
    as an annotator: nobody judges their own ranking. InvalidRanking as for every ranking.
    """
    completions = dict(task.completions.values_list("id", "text"))
    answer_check(answer, completions=completions, criteria=task.project.criteria)
    with transaction.atomic():
        Task.objects.select_for_update(no_key=True).get(pk=task.pk)
        labels = Ranking.objects.labels().filter(assignment__task=task)
        origins = list(labels.values_list("origin", flat=True))
        if RankingOrigin.ADJUDICATED in origins:
            raise Conflict("This task has a final ranking already: edit or undo that one.")
        if not origins or task.kind not in LABEL_KINDS:
            raise Conflict("Nobody has ranked this task yet: there is nothing to decide.")
        assignment, revision = _own_assignment(task, actor, sorted(completions))
        ranking = ranking_write(
            assignment=assignment, answer=answer, revision=revision, origin=RankingOrigin.ADJUDICATED
        )
        overruling_refresh(task_ids=[task.pk])
        _decided(task, actor, "task.adjudicate", ranking=ranking.pk, rankings=len(origins))
    return ranking


def adjudication_undo(*, ranking: Ranking, actor: User) -> None:
    """Take the final ranking off: the others count again, with the pairs they had. Its revisions are kept.

    Raises StaleTransition when it is no current final ranking (any more).
    """
    task = ranking.assignment.task
    with transaction.atomic():
        Task.objects.select_for_update(no_key=True).get(pk=task.pk)
        final = Ranking.objects.filter(pk=ranking.pk, is_current=True, origin=RankingOrigin.ADJUDICATED)
        if final.update(is_current=False) != 1:
            raise StaleTransition("This is not the task's final ranking any more: load the page again.")
        PreferencePair.objects.filter(ranking=ranking).delete()
        overruling_refresh(task_ids=[task.pk])
        Task.objects.filter(pk=task.pk).update(reviewed_at=None)
        audit_record(verb="task.adjudicate_undo", actor=actor, project=task.project, target=str(task.pk))


def task_leave(*, task: Task, actor: User) -> None:
    """Leave the rankings as they are. The task comes back to the queue when somebody ranks, skips or edits it later."""
    with transaction.atomic():
        _decided(task, actor, "task.leave")


def task_ask_again(*, task: Task, actor: User | None) -> bool:
    """Have one more person rank the task, before the others; whether a place was added.

    Where a place is free already, none is added: asking twice asks once. Nobody gets it who has met its prompt.
    Raises Conflict for tasks that are not handed out here: imported ones, gold, repeats, withdrawn ones.
    """
    with transaction.atomic():
        asked = Task.objects.filter(pk=task.pk, kind__in=PLACED_KINDS).exclude(state=TaskState.CLOSED)
        if not asked.update(priority=Greatest(F("priority"), ASKED_AGAIN)):
            raise Conflict("This task is not handed out here: set its final ranking, or leave it as it is.")
        added = asked.filter(taken__gte=F("wanted_raters")).update(
            wanted_raters=F("wanted_raters") + 1, state=TaskState.OPEN
        )
        if added:
            _decided(task, actor, "task.ask_again")
    return added == 1


def _own_assignment(task: Task, actor: User, shown: list[int]) -> tuple[Assignment, int]:
    """The reviewer's own assignment and the revision to write: an earlier final ranking that was undone is kept."""
    rows = Assignment.objects.select_related("task__project", "prompt").filter(task=task, annotator=actor)
    found = rows.first()
    if found is None:
        return _assign(task, actor, shown), 1
    origins = set(found.rankings.values_list("origin", flat=True))
    if origins != {RankingOrigin.ADJUDICATED}:
        raise Conflict("You have met this task as an annotator: another reviewer has to decide.")
    return found, found.rankings.aggregate(last=Max("revision"))["last"] + 1


def _assign(task: Task, actor: User, shown: list[int]) -> Assignment:
    now = timezone.now()
    try:
        with transaction.atomic():
            assignment = Assignment.objects.create(
                task=task,
                prompt_id=task.prompt_id,
                annotator=actor,
                state=AssignmentState.SUBMITTED,
                display_order=shown,
                leased_at=now,
                shown_at=now,
                lease_expires=now,
            )
    except IntegrityError as error:  # handed out to them in this moment
        raise Conflict("You have met this task as an annotator: another reviewer has to decide.") from error
    AssignmentEvent.objects.create(assignment=assignment, new=AssignmentState.SUBMITTED)
    return assignment


def _decided(task: Task, actor: User | None, verb: str, **data: object) -> None:
    Task.objects.filter(pk=task.pk).update(reviewed_at=timezone.now())
    audit_record(verb=verb, actor=actor, project=task.project, target=str(task.pk), **data)
