"""Who gets which task."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from annotation.exceptions import NotFound
from annotation.models import Assignment, AssignmentEvent, AssignmentState, Membership, Role, Task, TaskState
from annotation.services import assignment_release, assignment_skip, leases_expire, task_next
from tests.factories import MembershipFactory, PromptFactory, TaskFactory, UserFactory, ranked

LATER = timedelta(minutes=31)


@pytest.fixture
def annotators(project):
    return [MembershipFactory(project=project, role=Role.ANNOTATOR).user for _ in range(3)]


def at(delta):
    return time_machine.travel(timezone.now() + delta, tick=False)


def test_the_same_lease_comes_again_until_it_is_done(project, alice):
    TaskFactory.create_batch(2, project=project)
    first = task_next(project=project, annotator=alice)
    assert task_next(project=project, annotator=alice) == first
    assert Assignment.objects.count() == 1


def test_nothing_is_handed_out_when_there_is_nothing(project, alice):
    assert task_next(project=project, annotator=alice) is None


def test_a_task_goes_to_one_person(project, alice, bob):
    TaskFactory(project=project)
    assert task_next(project=project, annotator=alice) is not None
    assert task_next(project=project, annotator=bob) is None


def test_a_task_goes_to_as_many_as_it_wants_and_no_more(project, annotators):
    task = TaskFactory(project=project, wanted_raters=2)
    assert [task_next(project=project, annotator=one) is not None for one in annotators] == [True, True, False]
    task.refresh_from_db()
    assert (task.taken, task.state) == (2, TaskState.FULL)


def test_an_urgent_task_comes_first(project, alice):
    TaskFactory(project=project)
    urgent = TaskFactory(project=project, priority=5)
    assert task_next(project=project, annotator=alice).task == urgent


def test_tasks_of_equal_priority_come_in_the_order_they_were_made(project, alice, bob):
    tasks = TaskFactory.create_batch(2, project=project)
    assert [task_next(project=project, annotator=one).task for one in (alice, bob)] == tasks


def test_nobody_meets_a_prompt_twice_in_a_round(project, alice):
    ranked(project, alice, task=TaskFactory(project=project, wanted_raters=3))
    assert task_next(project=project, annotator=alice) is None


def test_a_later_rounds_texts_of_a_prompt_come_only_when_nothing_fresh_is_left(project, alice):
    prompt = PromptFactory(project=project)
    ranked(project, alice, task=TaskFactory(project=project, prompt=prompt))
    again = TaskFactory(project=project, prompt=prompt, round_number=1)
    fresh = TaskFactory(project=project, round_number=1)
    first = task_next(project=project, annotator=alice)
    assert first.task == fresh
    assignment_skip(assignment=first, reason="other")
    assert task_next(project=project, annotator=alice).task == again


def test_an_earlier_rounds_texts_of_a_prompt_never_come_after_a_later_ones(project, alice):
    prompt = PromptFactory(project=project)
    ranked(project, alice, task=TaskFactory(project=project, prompt=prompt, round_number=1))
    TaskFactory(project=project, prompt=prompt, round_number=0)
    assert task_next(project=project, annotator=alice) is None


def test_another_projects_tasks_are_not_handed_out(project, alice):
    TaskFactory()
    assert task_next(project=project, annotator=alice) is None


def test_a_closed_task_is_not_handed_out(project, alice):
    TaskFactory(project=project, state=TaskState.CLOSED)
    assert task_next(project=project, annotator=alice) is None


def test_an_outsider_gets_nothing(project, charlie):
    TaskFactory(project=project)
    with pytest.raises(NotFound):
        task_next(project=project, annotator=charlie)


def test_a_lease_lasts_as_long_as_the_project_says(project, alice):
    project.lease_minutes = 7
    TaskFactory(project=project)
    with at(timedelta()):
        assignment = task_next(project=project, annotator=alice)
        assert assignment.lease_expires == timezone.now() + timedelta(minutes=7)


def test_an_expired_lease_goes_to_somebody_else_by_itself(project, alice, bob):
    task = TaskFactory(project=project)
    task_next(project=project, annotator=alice)
    with at(LATER):
        assert task_next(project=project, annotator=bob).task == task
    task.refresh_from_db()
    assert task.taken == 1


def test_an_expired_lease_comes_back_to_the_same_person_only_after_fresh_tasks(project, alice):
    old, fresh = TaskFactory.create_batch(2, project=project)
    task_next(project=project, annotator=alice)
    with at(LATER):
        second = task_next(project=project, annotator=alice)
        assert second.task == fresh
        assignment_skip(assignment=second, reason="other")
        third = task_next(project=project, annotator=alice)
    assert third.task == old
    assert Assignment.objects.filter(task=old).count() == 1


def test_an_expired_lease_that_is_taken_up_again_keeps_its_order_and_history(project, alice):
    TaskFactory(project=project)
    first = task_next(project=project, annotator=alice)
    with at(LATER):
        again = task_next(project=project, annotator=alice)
    assert again.display_order == first.display_order
    moves = AssignmentEvent.objects.order_by("id").values_list("old", "new")
    assert list(moves) == [("", "leased"), ("leased", "expired"), ("expired", "leased")]


def test_expiring_counts_what_it_returned_and_returns_it_once(project, alice):
    task = TaskFactory(project=project)
    task_next(project=project, annotator=alice)
    later = timezone.now() + LATER
    assert [leases_expire(now=later), leases_expire(now=later)] == [1, 0]
    task.refresh_from_db()
    assert (task.taken, task.state) == (0, TaskState.OPEN)


def test_a_live_lease_does_not_expire(project, alice):
    TaskFactory(project=project)
    task_next(project=project, annotator=alice)
    assert leases_expire() == 0


def test_a_skipped_task_goes_to_others_and_never_back(project, alice, bob):
    task = TaskFactory(project=project)
    assignment_skip(assignment=task_next(project=project, annotator=alice), reason="unclear", note="Both odd.")
    assert task_next(project=project, annotator=alice) is None
    assert task_next(project=project, annotator=bob).task == task


def test_a_released_task_goes_to_others(project, alice, bob):
    task = TaskFactory(project=project)
    assignment_release(assignment=task_next(project=project, annotator=alice))
    assert task_next(project=project, annotator=bob).task == task


def test_a_closed_task_stays_closed_when_its_lease_ends(project, alice):
    task = TaskFactory(project=project, wanted_raters=2)
    assignment = task_next(project=project, annotator=alice)
    Task.objects.update(state=TaskState.CLOSED)
    assignment_release(assignment=assignment)
    task.refresh_from_db()
    assert (task.taken, task.state) == (0, TaskState.CLOSED)


def test_ahead_takes_one_more(project, alice):
    tasks = TaskFactory.create_batch(3, project=project)
    now = task_next(project=project, annotator=alice)
    ahead = task_next(project=project, annotator=alice, ahead=True)
    assert [now.task, ahead.task] == tasks[:2]


def test_ahead_takes_at_most_one_more(project, alice):
    TaskFactory.create_batch(3, project=project)
    task_next(project=project, annotator=alice)
    first = task_next(project=project, annotator=alice, ahead=True)
    assert task_next(project=project, annotator=alice, ahead=True) == first
    assert Assignment.objects.count() == 2


def test_ahead_without_a_task_on_the_screen_hands_out_the_first(project, alice):
    first, _ = TaskFactory.create_batch(2, project=project)
    assert task_next(project=project, annotator=alice, ahead=True).task == first
    assert task_next(project=project, annotator=alice).task == first


def test_the_clock_of_a_task_fetched_ahead_starts_when_it_is_shown(project, alice):
    TaskFactory.create_batch(2, project=project)
    with at(timedelta()):
        first = task_next(project=project, annotator=alice)
        task_next(project=project, annotator=alice, ahead=True)
    with at(timedelta(minutes=29)):
        assignment_skip(assignment=first, reason="other")
        shown = task_next(project=project, annotator=alice)
        assert shown.lease_expires == timezone.now() + timedelta(minutes=30)


def test_a_clock_that_runs_is_not_started_again(project, alice):
    TaskFactory(project=project)
    expires = task_next(project=project, annotator=alice).lease_expires
    with at(timedelta(minutes=5)):
        assert task_next(project=project, annotator=alice).lease_expires == expires


def test_a_task_fetched_ahead_and_never_shown_returns_by_itself(project, alice, bob):
    tasks = TaskFactory.create_batch(2, project=project)
    task_next(project=project, annotator=alice)
    task_next(project=project, annotator=alice, ahead=True)
    with at(timedelta(minutes=61)):
        assert task_next(project=project, annotator=bob).task == tasks[0]
        assert task_next(project=project, annotator=bob, ahead=True).task == tasks[1]


def test_a_member_who_left_gets_nothing_more(project, alice):
    TaskFactory(project=project)
    Membership.objects.filter(user=alice).delete()
    with pytest.raises(NotFound):
        task_next(project=project, annotator=alice)


@pytest.mark.parametrize("tasks", [20, 400])
def test_the_queries_of_next_do_not_grow_with_the_tasks(project, alice, tasks, django_assert_num_queries):
    prompts = PromptFactory.create_batch(tasks, project=project)
    Task.objects.bulk_create(Task(project=project, prompt=prompt) for prompt in prompts)
    project.gold_share = project.gold_before_trust = 0  # no lot decides whether gold is looked for
    with django_assert_num_queries(10):
        task_next(project=project, annotator=alice)


def test_every_completion_stands_in_every_place_about_equally_often(project, alice):
    places = [[0] * 4 for _ in range(4)]
    for _ in range(40):
        assignment = ranked(project, alice).assignment
        Assignment.objects.filter(pk=assignment.pk).delete()
        task = TaskFactory(project=project)
        assignment = task_next(project=project, annotator=alice)
        items = sorted(assignment.display_order)
        for place, completion in enumerate(assignment.display_order):
            places[items.index(completion)][place] += 1
        Assignment.objects.filter(pk=assignment.pk).update(state=AssignmentState.SUBMITTED)
        assert assignment.task == task
    assert all(8 <= count <= 12 for row in places for count in row), places


def test_the_raters_of_a_task_see_different_orders(project):
    TaskFactory(project=project, wanted_raters=4)
    orders = []
    for _ in range(4):
        user = MembershipFactory(project=project, user=UserFactory()).user
        orders.append(task_next(project=project, annotator=user).display_order)
    assert all(len(set(column)) == 4 for column in zip(*orders, strict=True)), orders
