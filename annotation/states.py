"""The states of an assignment: one table of moves, one mover."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.db import transaction

from annotation.exceptions import StaleTransition
from annotation.models import Assignment, AssignmentEvent, AssignmentState
from annotation.prepared import Insert, Slot, Update, key

# An expired lease may be taken up again by the same person, while the task still has room.
MOVES: Mapping[AssignmentState, frozenset[AssignmentState]] = {
    AssignmentState.LEASED: frozenset({AssignmentState.SUBMITTED, AssignmentState.SKIPPED, AssignmentState.EXPIRED}),
    AssignmentState.EXPIRED: frozenset({AssignmentState.LEASED}),
    AssignmentState.SUBMITTED: frozenset(),
    AssignmentState.SKIPPED: frozenset(),
}
EVENTS = Insert(AssignmentEvent)


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
    condition = condition or {}
    move = _move(old, new, tuple(sorted(condition)), tuple(sorted(values)))
    # No savepoint inside another transaction: nothing is raised in here but what ends that one, too.
    with transaction.atomic(savepoint=False):
        moved = move(assignment=assignment.pk, **condition, **{f"new_{name}": one for name, one in values.items()})
        if moved:
            EVENTS.one(AssignmentEvent(assignment_id=assignment.pk, old=old, new=new))
    if not moved:
        raise StaleTransition(f"This task is not {old.value} any more: load it again.")
    assignment.state = new
    for name, value in values.items():
        setattr(assignment, name, value)


@cache
def _move(old: AssignmentState, new: AssignmentState, condition: tuple[str, ...], columns: tuple[str, ...]) -> Update:
    def field(lookup: str) -> Any:
        return Assignment._meta.get_field(lookup.split("__")[0])

    conditions = {name: Slot(name, field(name)) for name in condition}
    values = {name: Slot(f"new_{name}", field(name)) for name in columns}
    return Update(
        lambda: (
            Assignment.objects.filter(pk=key("assignment"), state=old, **conditions),
            {"state": new, **values},
        )
    )
