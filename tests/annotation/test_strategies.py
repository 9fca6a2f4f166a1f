"""In which order tasks come, and by which strategy."""

import pytest

from annotation.checks import Lot
from annotation.models import Assignment, Strategy
from annotation.services import assignment_skip, task_next, tasks_score
from annotation.strategies import STRATEGIES
from tests.factories import TaskFactory


def handed_out(project, annotator, number):
    """The next tasks of somebody who skips each."""
    found = []
    for _ in range(number):
        assignment = task_next(project=project, annotator=annotator)
        found.append(assignment.task)
        assignment_skip(assignment=assignment, reason="other")
    return found


def test_every_strategy_has_its_rule():
    assert set(STRATEGIES) == set(Strategy)


def test_at_random_is_by_lot_below_priority(project, alice):
    project.strategy = Strategy.RANDOM
    late, early, urgent = (TaskFactory(project=project, lot=lot) for lot in (0.9, 0.1, 0.5))
    urgent.priority = 1
    urgent.save()
    assert handed_out(project, alice, 3) == [urgent, early, late]
    assert set(Assignment.objects.values_list("drawn_by", flat=True)) == {Strategy.RANDOM}


def test_active_is_by_score_below_priority_and_without_one_last(project, alice):
    project.strategy, project.random_share = Strategy.ACTIVE, 0
    unknown, dull, telling, urgent = TaskFactory.create_batch(4, project=project)
    urgent.priority = 1
    urgent.save()
    assert tasks_score(project=project, scores={dull.pk: 0.1, telling.pk: 0.7}) == 2
    assert handed_out(project, alice, 4) == [urgent, telling, dull, unknown]
    assert set(Assignment.objects.values_list("drawn_by", flat=True)) == {Strategy.ACTIVE}


def test_a_share_of_active_is_drawn_at_random(project, alice):
    project.strategy, project.random_share = Strategy.ACTIVE, 0.5
    tasks = [TaskFactory(project=project, lot=index / 100, score=index) for index in range(30)]
    found = handed_out(project, alice, 30)
    rows = Assignment.objects.order_by("id").values_list("drawn_by", "task_id")
    random = [task for strategy, task in rows if strategy == Strategy.RANDOM]
    assert 5 <= len(random) <= 25
    assert random == sorted(random), "of the random ones, the lowest lot is next"
    assert set(found) == set(tasks)


def test_a_score_goes_to_no_other_projects_task(project):
    other = TaskFactory()
    assert tasks_score(project=project, scores={other.pk: 0.5}) == 0
    other.refresh_from_db()
    assert other.score is None


def test_a_score_is_taken_back(project):
    task = TaskFactory(project=project, score=0.5)
    tasks_score(project=project, scores={task.pk: None})
    task.refresh_from_db()
    assert task.score is None


@pytest.mark.parametrize("purpose", ["gold", "repeat"])
def test_a_lot_is_the_same_when_it_is_drawn_again_and_even(project, alice, purpose):
    drawn = [Lot(project, alice, latest).chance(purpose) for latest in range(400)]
    assert drawn == [Lot(project, alice, latest).chance(purpose) for latest in range(400)]
    assert 0.4 < sum(drawn) / 400 < 0.6
    assert abs(sum(one < 0.05 for one in drawn) - 20) < 15
