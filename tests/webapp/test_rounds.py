"""The list of rounds and the button that starts one."""

import json

import pytest
from django.urls import reverse

from annotation.models import AuditEvent
from tests.factories import PromptFactory, ranked
from tests.webapp.objects import model_make, round_make
from workers import dispatch
from workers.models import ModelKind, ModelState, Round, RoundState, RunKind


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch):
    monkeypatch.setattr(dispatch.current_app, "send_task", lambda *args, **options: None)


@pytest.fixture
def ready(project, alice):
    """An anchor, prompts of each split and three rankings, with a gate that asks for three."""
    project.min_rankings = 3
    project.save()
    model_make(project, slug="dialogues-sft", kind=ModelKind.SFT, state=ModelState.PROMOTED)
    for split in ("train", "validation", "test"):
        PromptFactory(project=project, split=split)
    for _ in range(3):
        ranked(project, alice)


@pytest.fixture
def start(client_for, rose):
    def post(**data):
        return client_for(rose).post(reverse("rounds", args=["dialogues"]), {"algorithm": "ppo", "seed": "7"} | data)

    return post


def test_an_engineer_starts_a_round(start, ready, project, rose):
    response = start()
    started = Round.objects.get(project=project)
    assert response.headers["Location"] == reverse("round", args=["dialogues", 1])
    assert (started.algorithm, started.seed, started.created_by, started.forced) == ("ppo", 7, rose, False)
    assert started.runs.get().kind == RunKind.REWARD


def test_a_gate_that_says_no_is_explained_and_nothing_starts(start, ready, project):
    project.min_rankings = 500
    project.save()
    response = start()
    assert response.status_code == 422
    assert "3 of the 500 rankings" in response.content.decode()
    assert not Round.objects.exists()


def test_force_overrules_the_gate_and_is_recorded(start, ready, project, rose):
    project.min_rankings = 500
    project.save()
    start(force="on")
    assert Round.objects.get().forced
    assert AuditEvent.objects.get(verb="round.force").actor == rose


def test_settings_reach_the_round(start, ready):
    start(config=json.dumps({"ppo": {"kl_target": 1.5}}))
    assert Round.objects.get().config["ppo"]["kl_target"] == 1.5


@pytest.mark.parametrize(
    ("config", "said"),
    [("{", "no JSON"), ("[]", "JSON object"), ('{"ppo": {"kl_targt": 3}}', "kl_target"), ('{"dpo": {}}', "dpo")],
)
def test_bad_settings_are_named(config, said, start, ready):
    response = start(config=config)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Round.objects.exists()


def test_one_round_at_a_time(start, ready, project):
    round_make(project, state=RoundState.RUNNING)
    assert start().status_code == 422
    assert Round.objects.count() == 1


def test_without_an_anchor_what_is_missing_is_said(start, project):
    assert "no anchor yet" in start().content.decode()


def test_the_same_from_a_terminal_is_printed(lead, project):
    html = lead.get(reverse("rounds", args=["dialogues"])).content.decode()
    assert "curl -X POST http://testserver/api/v1/projects/dialogues/rounds/" in html
    assert "Authorization: Token" in html


def test_a_reviewer_sees_rounds_but_no_button(client_for, bob, world):
    html = client_for(bob).get(reverse("rounds", args=["dialogues"])).content.decode()
    assert "Round 1" in html
    assert "Start a round" not in html
