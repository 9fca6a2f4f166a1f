"""manage.py simulate_annotators"""

import pytest
from django.core.management import CommandError, call_command

from annotation.models import PreferencePair, Ranking, RankingOrigin
from tests.factories import PromptFactory, TaskFactory


def simulate(**options) -> None:
    call_command("simulate_annotators", project="dialogues", **options)


@pytest.fixture
def tasks(project):
    """Six tasks whose prompts have references."""
    for index in range(6):
        prompt = PromptFactory(project=project, identity=f"p{index}", references=["They have lunch, version 3."])
        TaskFactory(project=project, prompt=prompt)
    return project


def test_rankings_are_marked_as_simulated_and_have_their_pairs(tasks, capsys):
    simulate(count=2, rankings=5)
    assert Ranking.objects.count() == 5
    assert set(Ranking.objects.values_list("origin", flat=True)) == {RankingOrigin.SIMULATED}
    assert PreferencePair.objects.count() == 30
    assert sorted({ranking.annotator.username for ranking in Ranking.objects.all()}) == ["simulated01", "simulated02"]


def test_simulated_annotators_cannot_log_in(tasks):
    simulate(count=1, rankings=1)
    assert not Ranking.objects.get().annotator.has_usable_password()


def test_a_second_call_takes_the_same_people(tasks):
    simulate(count=2, rankings=2)
    simulate(count=2, rankings=2)
    assert tasks.memberships.filter(user__username__startswith="simulated").count() == 2


def test_fewer_tasks_than_wanted_are_said(tasks, capsys):
    simulate(count=2, rankings=50)
    assert "6 rankings of 50: there are no more tasks" in capsys.readouterr().out


def test_prompts_without_references_are_refused(project):
    TaskFactory(project=project, prompt=PromptFactory(project=project, references=[]))
    with pytest.raises(CommandError, match="no references"):
        simulate(count=1, rankings=1)


@pytest.mark.parametrize("options", [{"count": 0, "rankings": 1}, {"count": 1, "rankings": 0}])
def test_nonsense_is_refused(tasks, options):
    with pytest.raises(CommandError):
        simulate(**options)


def test_an_unknown_project_is_refused(db):
    with pytest.raises(CommandError, match="nowhere"):
        call_command("simulate_annotators", project="nowhere", count=1, rankings=1)
