"""How a run ends, and what follows: the next run of its round, or the round's own end.

Ending and following are one transaction, so a process that dies between them leaves neither.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.users import User
from workers import dispatch
from workers.exceptions import Conflict, StaleTransition
from workers.models import Round, RoundState, Run, RunEvent, RunKind, RunState
from workers.services.generation import generation_start
from workers.services.rounds import round_advance
from workers.services.runs import run_create
from workers.states import RUN_ENDED, round_move, run_move

ERROR_LIMIT = 20_000  # characters of a traceback that are kept: its end says most


def run_succeed(*, run_id: int, attempt: int, output: Mapping[str, Any]) -> None:
    """Running → succeeded, by the attempt that ran it. Raises StaleTransition when it was replaced."""
    with transaction.atomic():
        _end(run_id, attempt, RunState.SUCCEEDED, "succeeded", output=dict(output), progress=1.0, phase="done")
        run = Run.objects.select_related("project").get(pk=run_id)
        # Prompts that came before there was an anchor have waited for it.
        if run.kind == RunKind.SFT and not dispatch.is_held():
            generation_start(project=run.project)
        _follow(run_id)


def run_fail(*, run_id: int, attempt: int, error: str) -> None:
    """Running → failed, with what to show. Raises StaleTransition when the run was replaced."""
    with transaction.atomic():
        shown = error if len(error) <= ERROR_LIMIT else f"… {error[-ERROR_LIMIT:]}"
        _end(run_id, attempt, RunState.FAILED, error.strip().rpartition("\n")[2][:500], error=shown)
        _follow(run_id)


def run_cancelled(*, run_id: int, attempt: int) -> None:
    """Running → cancelled, after its process stopped. Raises StaleTransition when the run was replaced."""
    with transaction.atomic():
        _end(run_id, attempt, RunState.CANCELLED, "cancelled")
        _follow(run_id)


def run_put_back(*, run_id: int, attempt: int, reason: str, counts: bool) -> RunState:
    """Running → queued and sent again; failed when its attempts are used up, cancelled when that was asked for.

    ``counts``: whether this attempt is one of ``max_attempts`` (a shutdown's is not). Returns the new state;
    raises StaleTransition when the run was replaced.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if run.cancel_requested:
            run_cancelled(run_id=run_id, attempt=attempt)
            return RunState.CANCELLED
        if counts and run.attempt >= run.max_attempts:
            run_fail(run_id=run_id, attempt=attempt, error=f"{reason} That was attempt {attempt}, the last one.")
            return RunState.FAILED
        run_move(
            run_id=run_id,
            old=RunState.RUNNING,
            new=RunState.QUEUED,
            message=reason,
            fence=attempt,
            phase="waiting for a worker",
            sent_at=timezone.now(),
            worker="",
            max_attempts=run.max_attempts if counts else run.max_attempts + 1,
        )
        dispatch.run_send(run_id)
    return RunState.QUEUED


def run_cancel(*, run: Run, actor: User | None) -> Run:
    """Cancel a queued run at once, ask a running one to stop at its next step.

    Raises Conflict when it has ended.
    """
    with transaction.atomic():
        current = Run.objects.select_for_update().get(pk=run.pk)
        if current.state in RUN_ENDED:
            raise Conflict(f"The run has {current.state} already: there is nothing to cancel.")
        Run.objects.filter(pk=run.pk).update(cancel_requested=True)
        who = actor.get_username() if actor else "a command"
        RunEvent.objects.create(run=run, attempt=current.attempt, kind="log", message=f"cancel asked for by {who}")
        if current.state == RunState.QUEUED:
            run_move(
                run_id=run.pk,
                old=RunState.QUEUED,
                new=RunState.CANCELLED,
                message="cancelled before it started",
                finished_at=timezone.now(),
            )
            _follow(run.pk)
    run.refresh_from_db()
    return run


def run_retry(*, run: Run, actor: User | None) -> Run:
    """A new run like one that failed or was cancelled, in its place in its round, which goes on.

    Raises Conflict when the run has not failed, or when another one has taken its place already.
    """
    with transaction.atomic():
        current = Run.objects.select_for_update().select_related("project", "round").get(pk=run.pk)
        if current.state not in (RunState.FAILED, RunState.CANCELLED):
            raise Conflict(f"The run is {current.state}: only one that failed or was cancelled can be tried again.")
        if current.round is not None:
            _round_reopen(current.round, current)
        again = run_create(
            project=current.project,
            kind=current.kind,
            config=current.config,
            seed=current.seed,
            inputs=current.inputs,
            actor=actor if current.inputs.get("examples") in (None, "", "references") else None,
            round=current.round,
            position=current.position,
        )
        RunEvent.objects.create(
            run=again, kind="log", message=f"tries run {current.pk} again", data={"run": current.pk}
        )
    return again


def _round_reopen(round_: Round, run: Run) -> None:
    if round_.runs.filter(pk__gt=run.pk).exists() or round_.state not in (RoundState.FAILED, RoundState.CANCELLED):
        raise Conflict(f"Round {round_.number} has gone on since: this run cannot be tried again.")
    if round_.project.rounds.filter(state=RoundState.RUNNING).exists():
        raise Conflict("Another round of this project is running: wait until it has ended, or cancel it.")
    round_move(
        round_id=round_.pk,
        old=RoundState(round_.state),
        new=RoundState.RUNNING,
        message=f"run {run.pk} is tried again",
        error="",
    )


def _end(run_id: int, attempt: int, state: RunState, message: str, **changes: Any) -> None:
    run_move(
        run_id=run_id,
        old=RunState.RUNNING,
        new=state,
        message=message,
        fence=attempt,
        finished_at=timezone.now(),
        **changes,
    )


def _follow(run_id: int) -> None:
    round_id = Run.objects.values_list("round_id", flat=True).get(pk=run_id)
    if round_id is not None:
        try:
            round_advance(round_id=round_id)
        except StaleTransition:
            return  # somebody else moved the round at the same moment
