"""Win-rate panels: blind, inside normal work, with an interval."""

import pytest

from annotation.exceptions import InvalidInput
from annotation.models import Split, Task, TaskKind
from annotation.panels import panel_result
from annotation.services import assignment_skip, panel_create, ranking_submit, task_next, tasks_prioritise
from tests.factories import CompletionFactory, PromptFactory, TaskFactory


@pytest.fixture
def written(project):
    """Twelve prompts answered by both systems, the first one in the same words, one by one system alone."""
    prompts = PromptFactory.create_batch(13, project=project, split=Split.TEST)
    for number, prompt in enumerate(prompts):
        CompletionFactory(prompt=prompt, source="old", text="Same." if number == 0 else f"Old {number}.")
        if number < 12:
            CompletionFactory(prompt=prompt, source="new", text="Same." if number == 0 else f"New {number}.")
    return prompts


def create(project, count=100, **values):
    return panel_create(project=project, new="new", old="old", count=count, actor=None, **values)


def judge(project, annotator, number, verdict):
    for _ in range(number):
        assignment = task_next(project=project, annotator=annotator)
        sources = dict(assignment.task.completions.values_list("source", "id"))
        groups = {"new": [[sources["new"]], [sources["old"]]], "old": [[sources["old"]], [sources["new"]]]}
        ranking_submit(assignment=assignment, groups=groups.get(verdict, [list(sources.values())]))


def test_a_panel_has_a_task_for_each_prompt_that_both_answered_differently(project, written):
    assert create(project) == 11
    tasks = Task.objects.filter(kind=TaskKind.PANEL)
    assert all(set(task.completions.values_list("source", flat=True)) == {"new", "old"} for task in tasks)


def test_a_panel_grows_and_repeats_nothing(project, written):
    assert [create(project, 4), create(project, 4), create(project)] == [4, 4, 3]
    assert Task.objects.values("prompt").distinct().count() == 11


def test_the_result_counts_a_tie_half_and_has_an_interval(project, written, alice):
    create(project)
    for number, verdict in ((6, "new"), (2, "tie"), (3, "old")):
        judge(project, alice, number, verdict)
    result = panel_result(project, new="new", old="old")
    assert (result.wins, result.ties, result.losses, result.prompts, result.open) == (6, 2, 3, 11, 0)
    assert result.win_rate.value == pytest.approx(7 / 11)
    assert 0 < result.win_rate.low < 7 / 11 < result.win_rate.high < 1
    other_way_round = panel_result(project, new="old", old="new")
    assert other_way_round.win_rate.value == pytest.approx(4 / 11)


def test_a_few_prompts_give_no_win_rate(project, written, alice):
    create(project, 3)
    judge(project, alice, 3, "new")
    assert panel_result(project, new="new", old="old").win_rate is None


def test_a_panel_is_blind_urgent_if_wanted_and_refilled(project, written, alice, bob, api_for):
    TaskFactory(project=project)
    create(project, 1, priority=5)
    shown = api_for(alice).post("/api/v1/projects/dialogues/tasks/next/").json()
    assert len(shown["completions"]) == 2
    assert not {"source", "kind"} & ({*shown} | {*shown["completions"][0]})
    assignment_skip(assignment=task_next(project=project, annotator=alice), reason="other")
    assert task_next(project=project, annotator=bob).task_id == shown["task"]


@pytest.mark.parametrize(
    ("field", "change"),
    [("old", {"old": "new"}), ("new", {"new": "nobody"}), ("count", {"count": 0}), ("split", {"split": "x"})],
)
def test_a_panel_that_is_none(project, written, field, change):
    with pytest.raises(InvalidInput) as refused:
        panel_create(project=project, actor=None, **{"new": "new", "old": "old", "count": 3, **change})
    assert field in refused.value.fields


def test_priorities_by_prompt_batch_and_round(project, lena):
    first, second, third = TaskFactory.create_batch(3, project=project)
    elsewhere = TaskFactory()
    second.prompt.batch = "june.jsonl"
    second.prompt.save()
    third.round_number = 2
    third.save()
    names = [first.prompt.identity, elsewhere.prompt.identity]
    assert tasks_prioritise(project=project, priority=1, prompts=names, actor=lena) == 1
    assert tasks_prioritise(project=project, priority=2, batch="june.jsonl", actor=lena) == 1
    assert tasks_prioritise(project=project, priority=3, round_number=2, actor=lena) == 1
    assert list(Task.objects.order_by("id").values_list("priority", flat=True)) == [1, 2, 3, 0]
    with pytest.raises(InvalidInput):
        tasks_prioritise(project=project, priority=1, actor=lena)
