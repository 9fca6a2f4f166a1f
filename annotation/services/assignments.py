"""What an annotator does with a task in hand, apart from ranking it: draft, skip, give back."""

import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.exceptions import AlreadySubmitted, InvalidInput, LeaseLost, NotFound, StaleTransition
from annotation.leases import clock_start, lease_end, lease_renew, place_return
from annotation.models import Assignment, AssignmentState, SkipReason
from annotation.prepared import Select, key
from annotation.states import assignment_move
from annotation.texts import json_problem, text_problem
from annotation.users import User

MAX_DRAFT = 64 * 1024
MAX_NOTE = 2000

HELD = Select(
    lambda: Assignment.objects.filter(
        task=key("task"), annotator=key("annotator"), task__project__memberships__user=key("annotator")
    ).select_related("task__project", "prompt")
)


def assignment_get(*, task_id: int, annotator: User) -> Assignment:
    """This person's assignment of the task. Somebody else's task does not exist for them: NotFound."""
    assignment: Assignment | None = HELD.first(task=task_id, annotator=annotator.pk)
    if assignment is None:
        raise NotFound("You do not hold this task.")
    return assignment


def draft_save(*, assignment: Assignment, draft: dict[str, Any] | None) -> Assignment:
    """Keep what is on the annotator's screen. Also an expired lease keeps its draft; a submitted one has none."""
    if problem := json_problem(draft) or _size_problem(draft):
        raise InvalidInput(problem, fields={"draft": [problem]})
    now = timezone.now()
    if assignment.state == AssignmentState.LEASED:
        clock_start(assignment=assignment, project=assignment.task.project, now=now)
    rows = Assignment.objects.filter(pk=assignment.pk, state__in=[AssignmentState.LEASED, AssignmentState.EXPIRED])
    if not rows.update(draft=draft, draft_saved_at=now):
        raise AlreadySubmitted("This task is done: there is nothing left to draft.")
    assignment.draft, assignment.draft_saved_at = draft, now
    return assignment


def _size_problem(draft: dict[str, Any] | None) -> str | None:
    size = len(json.dumps(draft, ensure_ascii=False))
    return f"The draft has {size} characters; {MAX_DRAFT} is the most." if size > MAX_DRAFT else None


def assignment_skip(*, assignment: Assignment, reason: str, note: str = "") -> None:
    """Say why this task is not for this person; it goes to others and never comes back to them."""
    if reason not in SkipReason.values:
        message = f"'{reason}' is no reason: {', '.join(SkipReason.values)}."
        raise InvalidInput(message, fields={"reason": [message]})
    if problem := text_problem(note) or (f"Longer than {MAX_NOTE} characters." if len(note) > MAX_NOTE else None):
        raise InvalidInput(problem, fields={"note": [problem]})
    _require_lease(assignment)
    with transaction.atomic():
        assignment_move(
            assignment=assignment,
            old=AssignmentState.LEASED,
            new=AssignmentState.SKIPPED,
            skip_reason=SkipReason(reason),
            skip_note=note,
            draft=None,
        )
        place_return(assignment.task_id)


def assignment_renew(*, assignment: Assignment) -> Assignment:
    """Hold a task for longer while somebody works on it; only a live lease, and not for ever (RENEWALS)."""
    _require_lease(assignment)
    try:
        lease_renew(assignment=assignment, project=assignment.task.project)
    except StaleTransition as error:
        raise LeaseLost("The lease of this task ran out: it went back to the others.") from error
    return assignment


def assignment_release(*, assignment: Assignment) -> None:
    """Give a task back without a word; it may come again when nothing else is left."""
    _require_lease(assignment)
    lease_end(assignment=assignment)


def _require_lease(assignment: Assignment) -> None:
    if assignment.state in (AssignmentState.SUBMITTED, AssignmentState.SKIPPED):
        raise AlreadySubmitted(f"This task was {assignment.state} already.")
    if assignment.state == AssignmentState.EXPIRED:
        raise LeaseLost("The lease of this task ran out: it went back to the others.")
