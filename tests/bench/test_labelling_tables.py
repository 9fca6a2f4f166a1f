import pytest

from annotation.models import Assignment, Membership, Project, Ranking, Task, TaskState
from annotation.services import ranking_submit, task_next
from bench.labelling_crowd import PROJECT
from bench.labelling_tables import clear, fill, look

pytestmark = pytest.mark.django_db


@pytest.fixture
def bench():
    assert len(fill(prompts=5, people=2, raters=1, strategy="first_in")) == 2
    return Project.objects.get(slug=PROJECT)


def test_each_prompt_has_a_task_of_four_texts(bench):
    assert [task.completions.count() for task in Task.objects.filter(project=bench)] == [4] * 5


def test_what_was_ranked_is_found_and_cleared(bench):
    somebody = Membership.objects.filter(project=bench).first().user
    assignment = task_next(project=bench, annotator=somebody)
    ranking = ranking_submit(assignment=assignment, groups=[[one] for one in assignment.texts])
    assert look() | {"at": ""} == {
        "at": "",
        "rankings": [(ranking.pk, assignment.pk)],
        "beyond": 0,
        "miscounted": 0,
        "met_twice": 0,
    }
    clear()
    assert look()["rankings"] == []
    assert not Ranking.objects.exists()
    assert not Assignment.objects.exists()
    assert set(Task.objects.values_list("state", "taken")) == {(TaskState.OPEN, 0)}
