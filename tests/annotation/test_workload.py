"""Pausing and quotas: nothing new, while what is in somebody's hands may be finished."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from annotation.distribution import Waiting
from annotation.exceptions import InvalidInput
from annotation.models import Membership
from annotation.services import assignment_release, member_set, ranking_submit, task_next, task_next_or_why
from tests.factories import TaskFactory


@pytest.fixture
def tasks(project):
    return TaskFactory.create_batch(6, project=project)


def rank_next(project, annotator):
    assignment = task_next(project=project, annotator=annotator)
    return ranking_submit(assignment=assignment, groups=[[one] for one in assignment.display_order])


def quota(project, annotator, number):
    Membership.objects.filter(project=project, user=annotator).update(daily_quota=number)


@pytest.mark.parametrize("who", ["project", "person"])
def test_a_pause_hands_out_nothing_new_and_takes_nothing_away(project, alice, tasks, who):
    held = task_next(project=project, annotator=alice)
    project.paused = who == "project"
    Membership.objects.filter(user=alice).update(paused=who == "person")
    assert task_next(project=project, annotator=alice) == held
    assert task_next_or_why(project=project, annotator=alice, ahead=True) == f"{who}_paused"
    assignment_release(assignment=held)
    assert task_next_or_why(project=project, annotator=alice) == f"{who}_paused"


def test_a_paused_person_does_not_hold_others_up(project, alice, bob, tasks):
    Membership.objects.filter(user=alice).update(paused=True)
    assert task_next(project=project, annotator=bob) is not None


def test_a_quota_counts_todays_rankings_and_what_is_held(project, alice, bob, tasks):
    quota(project, alice, 2)
    with time_machine.travel(timezone.now() - timedelta(days=1)):
        rank_next(project, alice)  # yesterday's do not count
    rank_next(project, alice)
    assert task_next(project=project, annotator=alice) is not None
    assert task_next_or_why(project=project, annotator=alice, ahead=True) is Waiting.QUOTA
    rank_next(project, alice)
    assert task_next_or_why(project=project, annotator=alice) is Waiting.QUOTA
    assert task_next(project=project, annotator=bob) is not None


def test_a_quota_of_nothing_gives_nothing(project, alice, tasks):
    quota(project, alice, 0)
    assert task_next_or_why(project=project, annotator=alice) is Waiting.QUOTA


def test_a_role_alone_keeps_the_workload(project, alice):
    member_set(project=project, user=alice, role="annotator", actor=None, daily_quota=5, paused=True)
    member_set(project=project, user=alice, role="reviewer", actor=None)
    membership = Membership.objects.get(user=alice)
    assert (membership.role, membership.daily_quota, membership.paused) == ("reviewer", 5, True)


def test_a_quota_that_is_none_is_refused(project, alice):
    with pytest.raises(InvalidInput):
        member_set(project=project, user=alice, role="annotator", actor=None, daily_quota=-1)


def test_the_api_says_why_there_is_nothing(project, api_for, alice, lena, tasks):
    api = api_for(lena)
    address = "/api/v1/projects/dialogues/"
    body = {"role": "annotator", "daily_quota": 0}
    assert api.put(f"{address}members/alice/", body, format="json").json()["daily_quota"] == 0
    answer = api_for(alice).post(f"{address}tasks/next/")
    assert (answer.status_code, answer["Kedge-Reason"]) == (204, "quota_reached")
    api.patch(address, {"paused": True, "strategy": "active", "gold_share": 0.1}, format="json")
    assert api_for(alice).post(f"{address}tasks/next/")["Kedge-Reason"] == "project_paused"


@pytest.mark.parametrize("change", [{"strategy": "newest"}, {"gold_share": 2}, {"repeat_share": -1}, {"paused": "?"}])
def test_a_setting_that_is_none_is_refused(project, api_for, lena, change):
    answer = api_for(lena).patch("/api/v1/projects/dialogues/", change, format="json")
    assert (answer.status_code, set(answer.json()["fields"])) == (400, set(change))
