"""A run's page: state, curves, log, and what its buttons do."""

import json
import re

import pytest
from django.urls import reverse

from tests.webapp.objects import run_make
from webapp.dashboard.curves import CURVES, curves_of
from workers import dispatch
from workers.models import Run, RunEvent, RunKind, RunState


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch):
    monkeypatch.setattr(dispatch.current_app, "send_task", lambda *args, **options: None)


@pytest.fixture
def show(lead, project):
    return lambda run, name="run", query="": lead.get(reverse(name, args=["dialogues", run.pk]) + query)


def test_every_kind_of_run_has_its_curves_declared():
    assert set(CURVES) == set(RunKind)


def test_the_curves_are_given_to_the_script_as_data(show, project):
    html = show(run_make(project, kind=RunKind.PPO, config={"kl_target": 3.5})).content.decode()
    data = re.search(r'<script id="curve-specs" type="application/json">(.*?)</script>', html)
    assert data
    specs = json.loads(data[1])
    assert specs[0]["series"] == ["reward", "held_out_reward", "judge_reward"]
    assert next(spec for spec in specs if "kl" in spec["series"])["target"] == 3.5


def test_without_a_target_no_line_is_drawn():
    assert all(spec["target"] is None for spec in curves_of(RunKind.PPO, {"kl_target": None}))


def test_a_failed_run_shows_its_error_and_a_retry(show, failed_run):
    html = show(failed_run).content.decode()
    assert "ModelError: no such model" in html
    assert reverse("run_retry", args=["dialogues", failed_run.pk]) in html


def test_a_running_run_can_be_cancelled_and_is_asked_for_again(show, project):
    run = run_make(project, state=RunState.RUNNING, progress=0.42)
    html = show(run).content.decode()
    assert reverse("run_cancel", args=["dialogues", run.pk]) in html
    assert f'hx-get="{reverse("run_status", args=["dialogues", run.pk])}"' in html
    assert 'value="42"' in html


def test_the_status_of_a_run_that_has_ended_stops_asking(show, project):
    html = show(run_make(project), "run_status").content.decode()
    assert "hx-get" not in html
    assert 'data-live="false"' in html


def test_a_reviewer_has_no_buttons(client_for, bob, failed_run):
    html = client_for(bob).get(reverse("run", args=["dialogues", failed_run.pk])).content.decode()
    assert "Retry" not in html


def test_a_stop_rule_is_shown_with_its_step(show, project):
    run = run_make(project)
    RunEvent.objects.create(run=run, kind="stop-rule", message="KL above its limit", data={"step": 96})
    html = show(run).content.decode()
    assert "KL above its limit" in html
    assert 'data-stop-step="96"' in html


def test_the_log_goes_on_after_the_last_line_seen(show, project):
    run = run_make(project, state=RunState.RUNNING)
    seen = run.events.latest("pk")
    RunEvent.objects.create(run=run, kind="log", message="a new line")
    html = show(run, "run_log", f"?after={seen.pk}").content.decode()
    assert "a new line" in html
    assert seen.message not in html


def test_the_log_of_a_run_that_has_ended_asks_no_more(show, project):
    assert "hx-get" not in show(run_make(project), "run_log").content.decode()


@pytest.mark.parametrize("after", ["", "x", "-1", "999999999999"])
def test_any_place_in_the_log_can_be_asked_for(after, show, project):
    assert show(run_make(project), "run_log", f"?after={after}").status_code == 200


def test_cancel_asks_a_running_run_to_stop(lead, project):
    run = run_make(project, state=RunState.RUNNING)
    lead.post(reverse("run_cancel", args=["dialogues", run.pk]))
    run.refresh_from_db()
    assert run.cancel_requested


def test_a_run_that_has_ended_is_not_cancelled_and_that_is_said(lead, project):
    run = run_make(project)
    response = lead.post(reverse("run_cancel", args=["dialogues", run.pk]), follow=True)
    assert "nothing to cancel" in response.content.decode()


def test_retry_makes_a_new_run_and_goes_there(lead, project):
    failed = run_make(project, kind=RunKind.SFT, state=RunState.FAILED, inputs={"examples": ""})
    response = lead.post(reverse("run_retry", args=["dialogues", failed.pk]))
    again = Run.objects.latest("pk")
    assert again.pk != failed.pk
    assert response.headers["Location"] == reverse("run", args=["dialogues", again.pk])


def test_a_button_is_pressed_not_followed(lead, failed_run):
    assert lead.get(reverse("run_retry", args=["dialogues", failed_run.pk])).status_code == 405


def test_runs_are_listed_newest_first_in_pages(lead, project):
    made = [run_make(project) for _ in range(51)]
    page = lead.get(reverse("runs", args=["dialogues"])).context["page_of_runs"]
    assert (page[0], len(page), page.paginator.num_pages) == (made[-1], 50, 2)
