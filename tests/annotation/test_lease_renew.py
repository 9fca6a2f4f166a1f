"""A lease lasts while somebody works, and not for ever."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from annotation.exceptions import AlreadySubmitted, LeaseLost
from annotation.models import Assignment
from annotation.services import assignment_renew, assignment_skip, leases_expire, task_next
from tests.factories import TaskFactory

START = timezone.now()


def at(minutes):
    return time_machine.travel(START + timedelta(minutes=minutes), tick=False)


@pytest.fixture
def held(project, alice):
    """A task of 30 minutes that was shown at minute 0."""
    TaskFactory.create_batch(2, project=project)
    with at(0):
        return task_next(project=project, annotator=alice)


def left(assignment):
    """The minute in which the lease ends, as the database has it."""
    return (Assignment.objects.get(pk=assignment.pk).lease_expires - START) / timedelta(minutes=1)


def test_a_renewed_lease_lasts_a_whole_lease_from_now(held):
    with at(20):
        assignment_renew(assignment=held)
        assert left(held) == 50


def test_a_forgotten_tab_does_not_hold_a_task_for_ever(held):
    for minute in range(20, 240, 20):
        with at(minute):
            assignment_renew(assignment=Assignment.objects.get(pk=held.pk))
    assert left(held) == 8 * 30
    with at(241):
        assert leases_expire() == 1


def test_a_lease_that_ran_out_is_not_renewed(held):
    with at(31), pytest.raises(LeaseLost):
        assignment_renew(assignment=held)
    assert left(held) == 30


def test_a_lease_that_was_returned_in_between_is_not_renewed(held):
    with at(31):
        leases_expire()
    with at(29), pytest.raises(LeaseLost):
        assignment_renew(assignment=held)  # as it was read before the sweep


def test_a_task_that_was_left_is_not_renewed(held):
    assignment_skip(assignment=held, reason="other")
    with pytest.raises(AlreadySubmitted):
        assignment_renew(assignment=held)


def test_a_shorter_lease_of_the_project_shortens_nothing(held):
    held.task.project.lease_minutes = 1
    with at(2):
        assignment_renew(assignment=held)
    assert left(held) == 30


def test_what_was_fetched_ahead_is_held_behind_it(held, project, alice):
    with at(0):
        ahead = task_next(project=project, annotator=alice, ahead=True)
    with at(20):
        assignment_renew(assignment=held)
    assert left(ahead) == 80


def test_renewing_a_task_that_was_fetched_ahead_starts_its_clock(held, project, alice):
    with at(0):
        ahead = task_next(project=project, annotator=alice, ahead=True)
    with at(20):
        assignment_renew(assignment=ahead)
    assert left(ahead) == 50
    ahead.refresh_from_db()
    assert ahead.shown_at == START + timedelta(minutes=20)


def test_the_api_says_when_the_lease_ends(held, api_for, alice):
    answer = api_for(alice).post(f"/api/v1/tasks/{held.task_id}/renew/")
    assert answer.status_code == 200
    assert answer.json() == {"lease_expires": Assignment.objects.get().lease_expires.isoformat().replace("+00:00", "Z")}
