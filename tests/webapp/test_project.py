"""A project's home: where the loop stands and what to do next."""

import pytest
from django.urls import reverse

from annotation.models import Completion, RankingOrigin, Task, TaskState
from tests.factories import PromptFactory, TaskFactory, ranked
from tests.webapp.objects import model_make, round_make, run_make
from webapp.dashboard.overview import actions_next, loop_state
from workers.models import ModelState, RoundState, RunKind, RunState

EVERYTHING = frozenset({"see_project", "annotate", "see_training", "import", "train", "promote"})


def titles(project, can=EVERYTHING) -> list[str]:
    return [action.title for action in actions_next(project, loop_state(project), can)]


def test_an_empty_project_asks_for_prompts(project):
    assert titles(project) == ["Import prompts"]


def test_who_may_not_import_is_told_to_wait(project):
    assert titles(project, frozenset({"annotate"})) == ["Nothing to rank yet"]


def test_open_tasks_ask_to_be_ranked(project):
    TaskFactory.create_batch(2, project=project)
    assert titles(project) == ["2 tasks wait to be ranked"]


def test_prompts_without_completions_point_to_the_runs(project):
    PromptFactory(project=project)
    assert titles(project) == ["Nothing to rank"]


def test_completions_that_are_being_written_are_waited_for(project):
    PromptFactory(project=project)
    run_make(project, kind=RunKind.GENERATE, state=RunState.RUNNING)
    assert titles(project) == ["Completions are being written"]


def test_enough_new_rankings_offer_a_round(project, alice):
    project.min_rankings = 1
    ranked(project, alice)
    assert "A round can start" in titles(project)


def test_too_few_rankings_offer_none(project, alice):
    project.min_rankings = 2
    ranked(project, alice)
    assert "A round can start" not in titles(project)


def test_a_round_that_has_seen_every_ranking_is_not_offered_again(project, alice, world):
    project.min_rankings = 1
    assert "A round can start" not in titles(project)


@pytest.mark.parametrize(
    ("state", "title"), [(RoundState.RUNNING, "Round 1 is running"), (RoundState.FAILED, "Round 1 failed")]
)
def test_the_state_of_the_last_round_comes_first(state, title, project):
    round_make(project, state=state)
    assert titles(project)[0] == title


def test_who_does_not_see_training_hears_nothing_of_it(project):
    round_make(project, state=RoundState.FAILED)
    assert titles(project, frozenset({"annotate"})) == ["Nothing to rank yet"]


def test_a_policy_that_is_not_promoted_waits_for_the_lead(project):
    model_make(project, state=ModelState.CANDIDATE)
    assert "A new policy waits for you" in titles(project)


def test_a_promoted_policy_waits_for_nobody(project):
    model_make(project, state=ModelState.PROMOTED)
    assert "A new policy waits for you" not in titles(project)


def test_the_loop_is_counted(project, alice):
    ranked(project, alice)
    ranked(project, alice, origin=RankingOrigin.SIMULATED)
    Task.objects.update(state=TaskState.FULL)
    TaskFactory(project=project)
    PromptFactory(project=project)
    loop = loop_state(project)
    assert (loop.prompts, loop.waiting, loop.open_tasks, loop.tasks) == (4, 1, 1, 3)
    assert (loop.rankings, loop.simulated, loop.pairs) == (2, 1, 12)
    assert loop.completions == Completion.objects.count()


def test_the_page_shows_the_guidelines_as_markdown(lead, project):
    project.guidelines = "Be **kind**."
    project.save()
    assert "<strong>kind</strong>" in lead.get(reverse("project", args=["dialogues"])).content.decode()


def test_while_something_runs_the_page_asks_for_itself_again(lead, project):
    run_make(project, state=RunState.RUNNING, progress=0.5)
    assert (
        f'hx-get="{reverse("project_live", args=["dialogues"])}"'
        in lead.get(reverse("project", args=["dialogues"])).content.decode()
    )


def test_when_nothing_runs_it_does_not(lead, project):
    assert "project_live" not in lead.get(reverse("project", args=["dialogues"])).content.decode()
    assert "hx-get" not in lead.get(reverse("project_live", args=["dialogues"])).content.decode()
