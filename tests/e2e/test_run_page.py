"""A run's page while the run goes on: curves grow, the state changes, nobody reloads."""

import pytest
from playwright.sync_api import expect

from tests.webapp.objects import metrics_make, run_make
from workers.models import Metric, RunEvent, RunKind, RunState

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def run(project):
    run = run_make(project, kind=RunKind.PPO, state=RunState.RUNNING, progress=0.2, config={"kl_target": 0.3})
    metrics_make(run, steps=3)
    return run


@pytest.fixture
def page(open_page, rose, run):
    return open_page(rose, f"/projects/dialogues/runs/{run.pk}/")


def test_curves_are_drawn_without_a_complaint(page, problems):
    expect(page.locator("[data-curve='0'] canvas")).to_be_visible()
    expect(page.locator("[data-curve='1'] .now")).to_have_text("0.200 nats for each completion")
    assert problems == []


def test_new_points_arrive_without_a_reload(page, run):
    expect(page.locator("[data-curve='1'] .now")).to_contain_text("0.200")
    Metric.objects.create(run=run, step=3, name="kl", value=0.77)
    expect(page.locator("[data-curve='1'] .now")).to_contain_text("0.770")


def test_a_late_measurement_of_the_last_step_is_not_lost(page, run):
    expect(page.locator("[data-curve='0'] .now")).to_contain_text("0.200")
    Metric.objects.create(run=run, step=2, name="held_out_reward", value=0.55)
    expect(page.locator("[data-curve='0'] .now")).to_contain_text("held out reward 0.550")


def test_the_state_the_bar_and_the_log_follow_the_run(page, run):
    expect(page.locator("#run-status")).to_contain_text("running")
    RunEvent.objects.create(run=run, kind="log", message="the last line")
    run.state, run.progress = RunState.SUCCEEDED, 1.0
    run.save()
    expect(page.locator("#run-status")).to_contain_text("succeeded")
    expect(page.locator("#run-status progress")).to_have_attribute("value", "100")
    expect(page.locator("#log")).to_contain_text("the last line")
    expect(page.locator("html")).to_have_attribute("data-curves", "complete")


def test_a_table_stands_beside_each_curve(page):
    page.locator("[data-curve='1'] summary").click()
    rows = page.locator("[data-curve='1'] details tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first.locator("td")).to_have_text(["2", "0.200"])


def test_a_cancelled_run_is_told_so(page, run):
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#run-status")).to_contain_text("stopping at the next step")
    run.refresh_from_db()
    assert run.cancel_requested
