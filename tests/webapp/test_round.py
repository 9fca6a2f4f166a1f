"""A round's page."""

import pytest
from django.urls import reverse

from annotation.models import Snapshot
from tests.webapp.objects import evaluation_make, model_make, run_make
from workers.models import ModelKind, ModelState, RoundState, RunKind, RunState


@pytest.fixture
def show(lead, world):
    return lambda: lead.get(reverse("round", args=["dialogues", 1]))


def test_every_step_of_the_plan_is_shown_with_its_state(show, world):
    html = show().content.decode()
    assert [step["state"] for step in show().context["steps"]] == ["succeeded", "succeeded", "succeeded", "planned"]
    assert "Policy by PPO" in html


def test_the_reward_model_stands_beside_chance_and_gate(show, world):
    chart = show().context["accuracy"]
    assert chart.dots[0].value == "0.680 (0.610 to 0.750), n = 50"
    assert [mark.title for mark in chart.marks] == ["0.5: chance", "0.55: the project’s gate"]


def test_the_band_comes_from_the_snapshot_s_agreement(show, world):
    agreement = {"pairwise": {"value": 0.74, "low": 0.7, "high": 0.78, "n": 30}}
    Snapshot.objects.update(manifest={"agreement": agreement})
    context = show().context
    assert context["band"]["low"] == 0.74
    assert context["accuracy"].band.width > 0


def test_without_agreement_the_missing_band_is_explained(show, world):
    assert "No band" in show().content.decode()


def test_the_results_compare_with_the_anchor(show, world):
    assert [row.slug for row in show().context["results"]] == ["dialogues-sft", "dialogues-r1-ppo"]


def test_the_anchor_of_an_earlier_round_stands_beside_a_later_one(lead, world):
    from tests.webapp.objects import round_make

    later = round_make(world.project, number=2)
    run = run_make(world.project, kind=RunKind.EVALUATE, round=later)
    evaluation_make(model_make(world.project, slug="dialogues-r2-ppo", run=run), run=run)
    context = lead.get(reverse("round", args=["dialogues", 2])).context
    assert [row.slug for row in context["results"]] == ["dialogues-sft", "dialogues-r2-ppo"]


def test_a_running_round_asks_for_itself_again(show, world):
    world.round.state = RoundState.RUNNING
    world.round.save()
    assert f'hx-get="{reverse("round_live", args=["dialogues", 1])}"' in show().content.decode()


def test_a_round_that_has_ended_does_not(show, world):
    assert "hx-get" not in show().content.decode().partition("round-live")[2]


def test_a_reason_that_the_gate_gave_is_said_once(show, world):
    world.round.gate = {"passed": False, "reasons": ["accuracy is too low."]}
    world.round.error = "accuracy is too low. Send force."
    world.round.save()
    assert show().content.decode().count("accuracy is too low.") == 1


def test_what_the_gate_found_is_shown(show, world):
    world.round.gate = {"passed": False, "reasons": ["accuracy 0.51 is too low"]}
    world.round.save()
    html = show().content.decode()
    assert "accuracy 0.51 is too low" in html
    assert "said no" in html


def test_an_unknown_round_is_not_there(lead, world):
    assert lead.get(reverse("round", args=["dialogues", 99])).status_code == 404


def test_the_live_part_is_only_a_part(lead, world):
    html = lead.get(reverse("round_live", args=["dialogues", 1])).content.decode()
    assert "<html" not in html
    assert 'id="round-live"' in html


def test_a_promoted_model_of_another_project_is_no_anchor_here(show, world):
    from tests.factories import ProjectFactory

    other = ProjectFactory()
    model = model_make(other, slug="other-sft", kind=ModelKind.SFT, state=ModelState.PROMOTED)
    evaluation_make(model, run=run_make(other, kind=RunKind.EVALUATE, state=RunState.SUCCEEDED))
    assert "other-sft" not in show().content.decode()
