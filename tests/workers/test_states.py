"""The movers: one row, its history with it, and never twice."""

import pytest

from annotation.exceptions import StaleTransition
from annotation.models import AuditEvent
from workers.models import ModelState, Round, RoundState, RunState
from workers.states import RUN_ENDED, RUN_MOVES, model_move, round_move, run_move


def test_a_move_writes_its_event(queued):
    run = queued()
    run_move(run_id=run.pk, old=RunState.QUEUED, new=RunState.RUNNING, message="off it goes")
    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert [(event.kind, event.message) for event in run.events.all()] == [("state", "off it goes")]


def test_the_second_of_two_equal_moves_is_stale_and_leaves_no_event(queued):
    run = queued()
    run_move(run_id=run.pk, old=RunState.QUEUED, new=RunState.RUNNING, message="first")
    with pytest.raises(StaleTransition):
        run_move(run_id=run.pk, old=RunState.QUEUED, new=RunState.RUNNING, message="second")
    assert run.events.count() == 1


def test_a_replaced_attempt_moves_nothing(running):
    run = running()
    with pytest.raises(StaleTransition):
        run_move(run_id=run.pk, old=RunState.RUNNING, new=RunState.FAILED, message="late", fence=run.attempt - 1)
    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def test_a_move_that_is_not_in_the_table_is_refused(queued):
    with pytest.raises(ValueError, match="queued may not become succeeded"):
        run_move(run_id=queued().pk, old=RunState.QUEUED, new=RunState.SUCCEEDED, message="")


@pytest.mark.parametrize("state", RUN_ENDED)
def test_what_has_ended_stays_ended(state):
    assert not RUN_MOVES[state]


def test_a_round_keeps_the_history_of_its_states(project):
    round_ = Round.objects.create(project=project, number=1, algorithm="ppo")
    round_move(round_id=round_.pk, old=RoundState.RUNNING, new=RoundState.FAILED, message="out of luck", error="x")
    round_.refresh_from_db()
    assert (round_.state, round_.error) == (RoundState.FAILED, "x")
    assert round_.finished_at is not None
    assert round_.events.get().message == "out of luck"


def test_a_models_move_is_in_the_audit_trail(anchor, lena):
    model_move(model=anchor, old=ModelState.PROMOTED, new=ModelState.ARCHIVED, actor=lena)
    event = AuditEvent.objects.get(verb="model.archived")
    assert (event.actor, event.target) == (lena, anchor.slug)
