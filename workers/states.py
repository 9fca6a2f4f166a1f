"""Which state may follow which, and the one mover of each model.

A mover is one conditional UPDATE that must hit exactly one row, with its history row in the same
transaction; when it hits none, somebody else was first and StaleTransition is raised.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.models import AuditEvent
from annotation.users import User
from workers.exceptions import StaleTransition
from workers.models import ModelState, ModelVersion, Round, RoundEvent, RoundState, Run, RunEvent, RunState

RUN_MOVES: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    # Back to queued when its worker's heartbeat stops or its worker is shut down.
    RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.QUEUED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}
ROUND_MOVES: Mapping[RoundState, frozenset[RoundState]] = {
    RoundState.RUNNING: frozenset({RoundState.SUCCEEDED, RoundState.FAILED, RoundState.CANCELLED}),
    RoundState.SUCCEEDED: frozenset(),
    # A run that failed or was cancelled may be tried again, and its round goes on from there.
    RoundState.FAILED: frozenset({RoundState.RUNNING}),
    RoundState.CANCELLED: frozenset({RoundState.RUNNING}),
}
MODEL_MOVES: Mapping[ModelState, frozenset[ModelState]] = {
    ModelState.CANDIDATE: frozenset({ModelState.PROMOTED, ModelState.ARCHIVED}),
    ModelState.PROMOTED: frozenset({ModelState.ARCHIVED}),
    ModelState.ARCHIVED: frozenset({ModelState.PROMOTED}),
}
RUN_ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


def run_move(
    *,
    run_id: int,
    old: RunState,
    new: RunState,
    message: str,
    fence: int | None = None,
    data: Mapping[str, object] | None = None,
    **changes: Any,
) -> None:
    """Move a run and write its event. ``fence`` is the attempt that moves it: a replaced process moves nothing.

    ``changes`` are further columns of the same UPDATE. Raises StaleTransition when no row was hit.
    """
    _allowed(RUN_MOVES, old, new)
    condition = {"pk": run_id, "state": old} | ({} if fence is None else {"attempt": fence})
    with transaction.atomic():
        if Run.objects.filter(**condition).update(state=new, **changes) != 1:
            raise StaleTransition(f"Run {run_id} is no longer {old} under this attempt: it cannot become {new}.")
        owner = Run.objects.values_list("attempt", flat=True).get(pk=run_id)
        RunEvent.objects.create(
            run_id=run_id, attempt=owner, kind="state", message=message, data={"old": old, "new": new, **(data or {})}
        )


def round_move(*, round_id: int, old: RoundState, new: RoundState, message: str = "", **changes: Any) -> None:
    """Move a round and write its event. Raises StaleTransition when no row was hit."""
    _allowed(ROUND_MOVES, old, new)
    finished = None if new == RoundState.RUNNING else timezone.now()
    with transaction.atomic():
        rows = Round.objects.filter(pk=round_id, state=old).update(state=new, finished_at=finished, **changes)
        if rows != 1:
            raise StaleTransition(f"The round is no longer {old}: it cannot become {new}.")
        RoundEvent.objects.create(round_id=round_id, old=old, new=new, message=message)


def model_move(*, model: ModelVersion, old: ModelState, new: ModelState, actor: User | None, message: str = "") -> None:
    """Move a model version; its history is the audit trail. Raises StaleTransition when no row was hit."""
    _allowed(MODEL_MOVES, old, new)
    with transaction.atomic():
        if ModelVersion.objects.filter(pk=model.pk, state=old).update(state=new) != 1:
            raise StaleTransition(f"{model.slug} is no longer {old}: it cannot become {new}.")
        AuditEvent.objects.create(
            project_id=model.project_id,
            actor=actor,
            verb=f"model.{new}",
            target=model.slug,
            data={"old": old, "new": new, "message": message},
        )


def _allowed(moves: Mapping[Any, frozenset[Any]], old: str, new: str) -> None:
    if new not in moves[old]:
        raise ValueError(f"{old} may not become {new}: allowed are {sorted(moves[old])}.")
