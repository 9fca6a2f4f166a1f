"""Tasks out of prompts with enough completions."""

import pytest

from annotation.models import Project, Prompt, Task
from annotation.services import tasks_create
from annotation.services.tasks import is_overlap
from tests.factories import CompletionFactory, PromptFactory


@pytest.fixture
def prompt(project):
    return PromptFactory(project=project)


def sample(prompt, source="toy", texts=("One.", "Two.", "Three.", "Four.")):
    return [CompletionFactory(prompt=prompt, source=source, ordinal=n, text=text) for n, text in enumerate(texts)]


def texts():
    return set(Task.objects.get().completions.values_list("text", flat=True))


def test_a_prompt_with_k_completions_becomes_a_task(project, prompt):
    sample(prompt)
    assert tasks_create(project=project, round_number=0) == 1
    assert texts() == {"One.", "Two.", "Three.", "Four."}


def test_a_prompt_becomes_a_task_once_a_round(project, prompt):
    sample(prompt)
    assert [tasks_create(project=project, round_number=number) for number in (0, 0, 1)] == [1, 0, 1]


def test_a_prompt_with_fewer_waits(project, prompt):
    sample(prompt, texts=("One.", "Two.", "Three."))
    assert tasks_create(project=project, round_number=0) == 0


def test_repeated_words_do_not_count(project, prompt):
    sample(prompt, texts=("One.", "Two.", "Three.", "One. "))
    assert tasks_create(project=project, round_number=0) == 0


def test_the_newest_generation_is_taken(project, prompt):
    sample(prompt)
    sample(prompt, "newer", ("A.", "B.", "C.", "D."))
    tasks_create(project=project, round_number=1)
    assert texts() == {"A.", "B.", "C.", "D."}


def test_a_source_can_be_named(project, prompt):
    sample(prompt)
    sample(prompt, "newer", ("A.", "B.", "C.", "D."))
    tasks_create(project=project, round_number=1, source="toy")
    assert texts() == {"One.", "Two.", "Three.", "Four."}


def test_more_than_k_are_thinned_to_k(project, prompt):
    sample(prompt, texts=[f"Text {n}" for n in range(9)])
    tasks_create(project=project, round_number=0)
    assert len(texts()) == 4


def test_only_the_given_prompts_become_tasks(project):
    first, second = PromptFactory.create_batch(2, project=project)
    sample(first)
    sample(second)
    assert tasks_create(project=project, prompts=[first], round_number=0) == 1
    assert Task.objects.get().prompt == first


def test_another_projects_prompts_are_left_alone(project):
    sample(PromptFactory())
    assert tasks_create(project=project, round_number=0) == 0
    assert tasks_create(project=project, prompts=Prompt.objects.all(), round_number=0) == 0


def test_the_overlap_share_goes_to_several_raters(project):
    project.overlap_share, project.overlap_raters = 0.3, 3
    for prompt in PromptFactory.create_batch(60, project=project):
        sample(prompt)
    tasks_create(project=project, round_number=0)
    wanted = {task.prompt.identity: task.wanted_raters for task in Task.objects.select_related("prompt")}
    assert wanted == {name: 3 if is_overlap(identity=name, project=project) else 1 for name in wanted}
    assert 8 <= sum(raters == 3 for raters in wanted.values()) <= 28


def test_the_share_of_overlap_is_met(project):
    project.overlap_share = 0.15
    hits = sum(is_overlap(identity=str(n), project=project) for n in range(4000))
    assert 0.13 < hits / 4000 < 0.17


def test_without_overlap_every_task_wants_the_projects_raters(project, prompt):
    Project.objects.update(raters_per_task=2)
    project.refresh_from_db()
    sample(prompt)
    tasks_create(project=project, round_number=0)
    assert Task.objects.get().wanted_raters == 2


def test_the_queries_do_not_grow_with_the_prompts(project, django_assert_max_num_queries):
    for prompt in PromptFactory.create_batch(100, project=project):
        sample(prompt)
    with django_assert_max_num_queries(15):
        assert tasks_create(project=project, round_number=0) == 100
