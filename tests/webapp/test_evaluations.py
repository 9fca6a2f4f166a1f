"""Every model version side by side."""

import pytest
from django.urls import reverse

from tests.webapp.objects import evaluation_make, model_make, run_make
from workers.models import Evaluation, ModelKind, RunKind


@pytest.fixture
def show(lead, project):
    return lambda: lead.get(reverse("evaluations", args=["dialogues"]))


@pytest.fixture
def two(project):
    run = run_make(project, kind=RunKind.EVALUATE)
    policy = evaluation_make(model_make(project, slug="policy"), run=run, text="They meet at ten, says Tom.")
    anchor = evaluation_make(model_make(project, slug="anchor", kind=ModelKind.SFT), run=run, text="A meeting.")
    return anchor, policy


def test_the_anchor_stands_first(show, two):
    assert [row.slug for row in show().context["rows"]] == ["anchor", "policy"]


def test_every_figure_has_its_interval_and_n(show, two):
    html = show().content.decode()
    assert "<b>0.500</b> <small>0.400 to 0.600</small> <small>n = 100</small>" in html


def test_the_headlines_are_in_the_table_and_the_rest_below(show, two, project):
    Evaluation.objects.filter(pk=two[0].pk).update(metrics=two[0].metrics | {"copy_rate": {"value": 0.7}})
    context = show().context
    assert [metric.name for metric in context["metrics"]][:4] == ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    assert "copy_rate" not in [metric.name for metric in context["metrics"]]
    assert "copy_rate" in [line.metric.name for line in context["figures"]]


def test_a_figure_that_one_version_lacks_is_a_dash(show, two):
    Evaluation.objects.filter(pk=two[0].pk).update(metrics={})
    assert 'title="Not measured"' in show().content.decode()


def test_the_toxicity_backend_is_named(show, two):
    assert "profanity-proxy (1.9)" in show().content.decode()


def test_prompts_left_out_are_counted(show, two):
    assert "2 prompts are too long" in show().content.decode()


def test_samples_of_all_versions_stand_next_to_the_reference(show, two):
    (sample,) = show().context["samples"]
    assert sample.references == ["They meet."]
    assert [text.slug for text in sample.texts] == ["anchor", "policy"]


def test_the_reward_before_and_after_is_a_table_with_the_change(show, two):
    html = show().content.decode()
    assert "1 of 1 better" in html
    assert "+0.750" in html


def test_only_the_newest_evaluation_of_a_version_counts(show, two, project):
    evaluation_make(two[1].model, run=run_make(project), text="Newer.")
    assert len(show().context["rows"]) == 2
    assert "Newer." in show().content.decode()


def test_nothing_evaluated_says_what_to_do(show):
    assert "Nothing evaluated yet" in show().content.decode()


def test_half_written_samples_do_not_break_the_page(show, two):
    Evaluation.objects.update(samples=[{}], reward_table=[{"reward_before": None}], decoding={})
    assert show().status_code == 200
