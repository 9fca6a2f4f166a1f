"""Rankings are the truth; their pairs are made and replaced in the same transaction."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction

from annotation.exceptions import AlreadySubmitted, Conflict, LeaseLost, StaleTransition
from annotation.leases import lease_revive
from annotation.models import Assignment, AssignmentState, PreferencePair, Ranking, RankingOrigin, Task
from annotation.prepared import Insert, Select, key
from annotation.ranking import FULL, Answer, Rewrite, Span, answer_check
from annotation.services.audit import audit_record
from annotation.services.pairs import pairs_store
from annotation.states import assignment_move
from annotation.users import User

TASK = Select(lambda: Task.objects.select_for_update(no_key=True).filter(pk=key("task")).values_list("reviewed_at"))
RANKINGS = Insert(Ranking)


def ranking_submit(
    *,
    assignment: Assignment,
    groups: Sequence[Sequence[int]],
    strengths: Sequence[int] | None = None,
    none_acceptable: bool = False,
    flags: Mapping[int, str] | None = None,
    ratings: Mapping[str, Mapping[int, int]] | None = None,
    spans: Sequence[Span] = (),
    rationale: str = "",
    rewrite: Rewrite | None = None,
    duration_ms: int | None = None,
    method: str = FULL,
    origin: RankingOrigin = RankingOrigin.PERSON,
) -> Ranking:
    """answer_submit with the answer's parts by name."""
    answer = Answer(
        groups, strengths, none_acceptable, flags or {}, ratings or {}, spans, rationale, rewrite, duration_ms, method
    )
    return answer_submit(assignment=assignment, answer=answer, origin=origin)


def answer_submit(*, assignment: Assignment, answer: Answer, origin: RankingOrigin = RankingOrigin.PERSON) -> Ranking:
    """Record an annotator's answer: its ranking, its pairs and the end of its lease, all or nothing.

    An answer that comes after its lease ran out still counts while the task has a place; when others
    took them all, LeaseLost. A second answer is AlreadySubmitted; a wrong one InvalidRanking.
    """
    _check(assignment, answer)
    # No savepoint in another transaction: what is raised in here ends that one, too.
    with transaction.atomic(savepoint=False):
        refusal = _finish(assignment)
        if refusal is None:
            return ranking_write(assignment=assignment, answer=answer, revision=1, origin=origin)
    raise refusal


def ranking_revise(*, ranking: Ranking, answer: Answer, actor: User) -> Ranking:
    """A new revision of a current ranking; the old one stays, its pairs are replaced.

    StaleTransition when ``ranking`` is not the current revision, Conflict when it was taken back.
    """
    assignment = Assignment.objects.select_related("task__project", "prompt").get(pk=ranking.assignment_id)
    _check(assignment, answer)
    with transaction.atomic():
        # Of two revisions at once one finds the ranking current, and the other is told.
        if Ranking.objects.filter(pk=ranking.pk, is_current=True).update(is_current=False) != 1:
            _refuse(ranking)
        PreferencePair.objects.filter(ranking=ranking).delete()
        revised = ranking_write(
            assignment=assignment,
            answer=answer,
            revision=ranking.revision + 1,
            origin=RankingOrigin(ranking.origin),
            batch=ranking.batch,
            rater_group=ranking.rater_group,
        )
        audit_record(
            verb="ranking.revise",
            actor=actor,
            project=assignment.task.project,
            target=str(revised.pk),
            revision=revised.revision,
            annotator=assignment.annotator.get_username(),
        )
    return revised


def _check(assignment: Assignment, answer: Answer) -> None:
    answer_check(answer, completions=assignment.texts, criteria=assignment.task.project.criteria)


def _finish(assignment: Assignment) -> AlreadySubmitted | LeaseLost | None:
    """Move the assignment to submitted, from wherever it may still be submitted; else why not, with nothing written."""
    with contextlib.suppress(StaleTransition):
        _submit(assignment)
        return None
    # Locked, so that a sweep cannot expire it between this look and the move. SQLite's transaction is the lock.
    assignment.state = Assignment.objects.select_for_update().values_list("state", flat=True).get(pk=assignment.pk)
    if assignment.state in (AssignmentState.SUBMITTED, AssignmentState.SKIPPED):
        return AlreadySubmitted(f"This task was {assignment.state} already.")
    if assignment.state == AssignmentState.EXPIRED and not lease_revive(
        assignment=assignment, project=assignment.task.project
    ):
        return LeaseLost("The lease of this task ran out and somebody else took it: this ranking was not stored.")
    _submit(assignment)
    return None


def _submit(assignment: Assignment) -> None:
    assignment_move(assignment=assignment, old=AssignmentState.LEASED, new=AssignmentState.SUBMITTED, draft=None)


def ranking_write(
    *, assignment: Assignment, answer: Answer, revision: int, origin: RankingOrigin, **columns: Any
) -> Ranking:
    """One revision and its pairs, inside the caller's transaction; ``columns`` are more of a Ranking's own.

    It comes overruled where a reviewer has set the final ranking of its task.
    """
    # In a row with whoever sets the final ranking: it sees this one, or this one sees it. A weaker lock than
    # FOR UPDATE, which would wait for every new assignment's foreign key.
    (reviewed,) = TASK.first(task=assignment.task_id)
    # A final ranking is a decision: where none was taken, there is none.
    settled = (
        reviewed is not None
        and Ranking.objects.filter(
            assignment__task=assignment.task_id, origin=RankingOrigin.ADJUDICATED, is_current=True
        ).exists()
    )
    ranking = Ranking(
        assignment=assignment,
        project_id=assignment.task.project_id,
        prompt_id=assignment.prompt_id,
        annotator_id=assignment.annotator_id,
        revision=revision,
        kind=assignment.task.kind,
        origin=origin,
        overruled=origin != RankingOrigin.ADJUDICATED and settled,
        **columns,
        **answer_as_json(answer),
    )
    RANKINGS.one(ranking)
    ranking.prompt = assignment.prompt
    pairs_store([ranking])
    return ranking


def _refuse(ranking: Ranking) -> None:
    """Say why a ranking is not current any more."""
    ranking.refresh_from_db(fields=["retraction"])
    if ranking.retraction_id is not None:
        raise Conflict("This ranking was taken back by the project's lead: it cannot be edited any more.")
    raise StaleTransition("There is a newer revision of this ranking: load it again.")


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """The answer as a Ranking's columns hold it; JSON's keys are strings."""
    return {
        "groups": [list(group) for group in answer.groups],
        "strengths": None if answer.strengths is None else list(answer.strengths),
        "none_acceptable": answer.none_acceptable,
        "flags": {str(completion): reason for completion, reason in answer.flags.items()},
        "ratings": {
            criterion: {str(completion): rating for completion, rating in ratings.items()}
            for criterion, ratings in answer.ratings.items()
        },
        "spans": [asdict(span) for span in answer.spans],
        "rationale": answer.rationale,
        "rewrite": asdict(answer.rewrite) if answer.rewrite else None,
        "duration_ms": answer.duration_ms,
        "method": answer.method,
    }
