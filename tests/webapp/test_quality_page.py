"""The quality page: every figure with its n, and 'too few' where there is too little to say."""

from dataclasses import asdict, replace

import pytest
from django.core.cache import cache
from django.urls import reverse

from annotation.criteria import Ratings
from annotation.models import Ranking
from annotation.outcomes import Ranked
from annotation.quality import Evidence, quality
from annotation.reading import Timed
from bench.panels import panel
from tests.factories import TaskFactory, ranked
from webapp.dashboard.quality import (
    agreement_charts,
    by_concern,
    checks,
    criteria_chart,
    matrix,
    stretch_name,
    votes_chart,
)


@pytest.fixture
def show(client_for, project, lena):
    cache.clear()
    return lambda: client_for(lena).get(reverse("quality", args=["dialogues"]))


def shared(project, *people, tasks=6):
    for task in TaskFactory.create_batch(tasks, project=project, wanted_raters=len(people)):
        for person in people:
            ranked(project, person, task=task)


def test_a_lead_sees_agreement_with_its_interval_and_n(show, project, alice, bob):
    shared(project, alice, bob)
    html = show().content.decode()
    assert "Krippendorff" in html
    assert "n = 6 prompts" in html
    assert "100.0 % (61.0 % to 100.0 %), n = 6<" in html
    assert "said the same of 36 pairs" in html


def test_an_empty_project_says_what_will_come(show):
    assert "Nothing is ranked yet" in show().content.decode()


def test_too_little_is_said_and_not_judged(show, project, alice, bob):
    shared(project, alice, bob, tasks=2)
    html = show().content.decode()
    assert "Too few: at least five prompts" in html
    assert html.count("too few") >= 6
    assert "state-warning" not in html


def test_flagged_people_have_their_flag(show, project, alice, bob):
    shared(project, alice, bob)
    Ranking.objects.filter(annotator=bob).update(duration_ms=1)
    response = show()
    assert [row["annotator"] for row in response.context["flagged"]] == ["bob"]
    assert '<span class="state state-warning">faster than reading</span>' in response.content.decode()


def test_a_hostile_name_is_escaped(show, project, alice, bob):
    shared(project, alice, bob)
    Ranking.objects.update(rater_group="<script>alert(1)</script>")
    html = show().content.decode()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


@pytest.fixture(scope="module")
def figures():
    people, rankings = panel(0, 30, 10)
    ratings = Ratings()
    for prompt in range(6):
        for _ in range(2):
            ratings.add(prompt=prompt, group="", ratings={"fluency": {str(prompt): 1 + prompt % 5}})
    timed = [Timed(people[0].name, 6000, 1)] * 9
    return asdict(quality(rankings, ratings, Evidence(timed=timed), resamples=50))


def test_the_charts_of_a_panel(figures):
    assert [chart.title for chart in agreement_charts(figures)] == [
        "Pairwise agreement",
        "Krippendorff’s alpha, ordinal",
    ]
    assert [dot.label for dot in criteria_chart(figures).dots] == ["fluency"]
    assert votes_chart(figures) is None


def test_the_matrix_is_symmetric_and_names_what_is_small(figures):
    names, rows = matrix(figures)
    assert len(names) == len(rows) == 10
    cells = {(name, other): cell for name, row in rows for other, cell in zip(names, row, strict=True)}
    for (one, other), cell in cells.items():
        assert (cell is None) == (one == other)
        assert cell == cells[other, one]
    assert {cell.prompts for cell in cells.values() if cell} == {30}


def test_a_matrix_of_people_who_share_next_to_nothing_is_not_drawn(figures):
    few = [{**pair, "agreement": None} for pair in figures["by_annotator_pair"]]
    assert matrix(figures | {"by_annotator_pair": [figures["by_annotator_pair"][0], *few[1:]]})[0] != []
    assert matrix(figures | {"by_annotator_pair": few}) == ([], [])
    apart = [dict(pair, first=f"{pair['first']} {n}") for n, pair in enumerate(figures["by_annotator_pair"])]
    assert matrix(figures | {"by_annotator_pair": apart}) == ([], [])


def test_those_with_a_flag_stand_first(figures):
    flags = [bool(row["flags"]) for row in by_concern(figures)]
    assert flags == sorted(flags, reverse=True)
    assert any(flags)
    assert not all(flags)


def test_skips_and_time_are_shown_with_their_n_and_without_them_the_page_says_why(show, project, alice, bob):
    shared(project, alice, bob)
    html = show().content.decode()
    assert "not timed" in html
    assert "no repeats" in html
    Ranking.objects.update(duration_ms=40_000)
    cache.clear()
    html = show().content.decode()
    assert "40.0 s" in html
    assert "for each pair decided" in html
    assert "Of the tasks handed out here" in html


def test_imported_rankings_were_handed_to_nobody():
    rankings = [Ranked(prompt, "alice", ((1,), (2,))) for prompt in range(9)]
    assert quality(rankings).skipped is None
    assert quality([replace(one, day=1) for one in rankings], evidence=Evidence(skips=["alice"])).skipped.value == 0.1


def test_checks_sound_the_alarm_where_the_page_s_order_leaks_in(figures):
    clicks = [one for one in panel(0, 30, 10)[1] if one.annotator.startswith("position clicker")]
    found = {check.title: check for check in checks(figures | {"position": asdict(quality(clicks))["position"]})}
    assert found["Shown earlier, ranked above"].alarm == "position bias"
    assert found["Faster than reading"].alarm == "fast"
    assert found["The same order again"].figure is None


def test_a_stretch_is_a_day_or_a_week():
    assert stretch_name({"first": "2026-01-05", "last": "2026-01-05"}) == "5 Jan 2026"
    assert stretch_name({"first": "2026-01-05", "last": "2026-01-11"}) == "5 Jan – 11 Jan 2026"
