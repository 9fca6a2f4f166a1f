"""Nothing stays running or queued for ever."""

from datetime import timedelta

import pytest
from django.utils import timezone

from workers.models import Run, RunState
from workers.services import run_claim, runs_recover, runs_wake


@pytest.fixture
def silent(running):
    """A running run that gave no sign of life for a minute."""

    def make(**fields) -> Run:
        run = running(**fields)
        Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))
        return run

    return make


def test_a_silent_run_is_queued_and_sent_again(silent, sent, django_capture_on_commit_callbacks):
    run = silent()
    with django_capture_on_commit_callbacks(execute=True):
        assert runs_recover() == 1
    run.refresh_from_db()
    assert run.state == RunState.QUEUED
    assert sent == [run.pk]
    assert "no sign of life" in run.events.order_by("pk").last().message


def test_a_living_run_is_left_alone(running, sent):
    run = running()
    assert runs_recover() == 0
    run.refresh_from_db()
    assert (run.state, run.attempt, sent) == (RunState.RUNNING, 1, [])


def test_a_silent_run_fails_after_its_attempts_with_a_clear_error(silent):
    run = silent(max_attempts=1)
    runs_recover()
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "no sign of life" in run.error


def test_a_silent_run_that_was_to_be_cancelled_is_cancelled(silent):
    run = silent(cancel_requested=True)
    runs_recover()
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_a_run_whose_message_was_lost_is_sent_again(queued, sent):
    run = queued(sent_at=timezone.now() - timedelta(minutes=1))
    assert runs_recover() == 1
    assert sent == [run.pk]


def test_a_run_that_was_just_sent_is_not_sent_again(queued, sent):
    queued(sent_at=timezone.now())
    assert runs_recover() == 0
    assert sent == []


def test_a_run_that_waits_behind_another_is_not_sent_again(queued, running, sent):
    running()
    queued(sent_at=timezone.now() - timedelta(minutes=1))
    assert runs_recover() == 0
    assert sent == []


def test_a_free_place_wakes_the_oldest_queued_run(queued, sent):
    first, second = queued(), queued()
    assert runs_wake()
    assert sent == [first.pk]
    run_claim(run_id=first.pk)
    runs_wake()
    assert sent == [first.pk, second.pk]


def test_nothing_to_wake(db, sent):
    assert not runs_wake()
