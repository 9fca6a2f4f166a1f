"""The label dashboard."""

import pytest
from django.urls import reverse

from annotation.models import RankingOrigin
from tests.factories import TaskFactory, ranked
from webapp.dashboard.labels import days_chart, ordinal, place_bars, queue_days


@pytest.fixture
def show(client_for, project):
    return lambda user: client_for(user).get(reverse("labels", args=["dialogues"]))


def test_simulated_labels_are_marked(show, project, alice, bob, lena):
    ranked(project, alice, origin=RankingOrigin.SIMULATED)
    ranked(project, bob)
    html = show(lena).content.decode()
    assert "1 simulated" in html
    assert html.count('<span class="state state-simulated">simulated</span>') == 1


def test_a_lead_sees_agreement_and_the_way_to_quality(show, project, alice, bob, lena):
    for task in TaskFactory.create_batch(6, project=project, wanted_raters=2):
        ranked(project, alice, task=task)
        ranked(project, bob, task=task)
    html = show(lena).content.decode()
    assert "n = 6 prompts" in html
    assert reverse("quality", args=["dialogues"]) in html


def test_an_annotator_sees_no_way_to_quality(show, project, alice):
    ranked(project, alice)
    assert reverse("quality", args=["dialogues"]) not in show(alice).content.decode()


def test_an_annotator_sees_only_their_own_row(show, project, alice, bob):
    ranked(project, alice)
    ranked(project, bob)
    response = show(alice)
    assert [row["username"] for row in response.context["annotators"]] == ["alice"]
    assert response.context["quality"] is None


def test_an_engineer_sees_no_quality_of_people(show, project, alice, rose):
    ranked(project, alice)
    assert show(rose).context["annotators"] == []


def test_an_empty_project_says_what_to_do(show, project, lena):
    html = show(lena).content.decode()
    assert "Nothing is ranked yet" in html
    assert reverse("prompts_import", args=["dialogues"]) in html


def test_days_without_a_ranking_keep_their_place():
    days = [{"date": date, "person": 2, "simulated": 0, "imported": 0} for date in ("2026-01-01", "2026-01-04")]
    chart = days_chart({"per_day": days})
    assert [segment.x for segment in chart.segments] == pytest.approx([9.5, 84.5])
    assert [label.text for label in chart.labels] == ["1 Jan", "2 Jan", "4 Jan"]


def test_ranks_by_place_are_shares_of_each_place():
    (first, _) = place_bars({"ranks": [[3, 1], [1, 3]]})
    assert [segment.width for segment in first.segments] == [75, 25]


def test_the_queue_is_forecast_from_the_last_week(project, alice):
    from annotation.selectors import project_stats

    for _ in range(7):
        ranked(project, alice)
    TaskFactory.create_batch(3, project=project)
    assert queue_days(project_stats(project)) == pytest.approx(3)


def test_without_a_ranking_there_is_no_forecast():
    assert queue_days({"per_day": [], "queue": {"remaining": 5}}) is None


@pytest.mark.parametrize(("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th")])
def test_ordinals(number, text):
    assert ordinal(number) == text
