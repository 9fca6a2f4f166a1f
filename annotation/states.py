"""The states of an assignment: one table of moves, one mover."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from annotation.exceptions import StaleTransition
from annotation.models import Assignment, AssignmentEvent, AssignmentState

# An expired lease may be taken up again by the same person, while the task still has room.
MOVES: Mapping[AssignmentState, frozenset[AssignmentState]] = {
    AssignmentState.LEASED: frozenset({AssignmentState.SUBMITTED, AssignmentState.SKIPPED, AssignmentState.EXPIRED}),
    AssignmentState.EXPIRED: frozenset({AssignmentState.LEASED}),
    AssignmentState.SUBMITTED: frozenset(),
    AssignmentState.SKIPPED: frozenset(),
}


def assignment_move(
    *,
    assignment: Assignment,
    old: AssignmentState,
    new: AssignmentState,
    condition: Mapping[str, Any] | None = None,
    **values: Any,
) -> None:
    """Move ``assignment`` from ``old`` to ``new`` and write its history, or raise StaleTransition.

    The state that was read may be gone by now, so the UPDATE carries it (and ``condition``) in its
    WHERE and must hit exactly one row: of two processes that move at once, one wins and one is told.
    """
    if new not in MOVES[old]:
        raise StaleTransition(f"An assignment that is {old.value} cannot become {new.value}.")
    with transaction.atomic():
        rows = Assignment.objects.filter(pk=assignment.pk, state=old, **(condition or {}))
        if rows.update(state=new, **values) != 1:
            raise StaleTransition(f"This task is not {old.value} any more: load it again.")
        AssignmentEvent.objects.create(assignment_id=assignment.pk, old=old, new=new)
    assignment.state = new
    for name, value in values.items():
        setattr(assignment, name, value)
