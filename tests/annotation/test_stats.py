"""Figures of the labels, and what they cost."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from annotation.models import RankingOrigin
from annotation.selectors import annotator_progress, project_quality, project_stats
from annotation.services import assignment_skip, task_next
from annotation.stats import ranks_by_place
from tests.factories import MembershipFactory, TaskFactory, ranked


def test_an_empty_project_has_figures(project):
    stats = project_stats(project)
    assert (stats["rankings"], stats["median_seconds"], stats["ranks"], stats["per_day"]) == (0, None, [], [])


def test_labels_by_day_and_origin(project, alice, bob):
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC)):
        ranked(project, alice)
    with time_machine.travel(datetime(2026, 3, 3, 12, tzinfo=UTC)):
        ranked(project, alice)
        ranked(project, bob, origin=RankingOrigin.SIMULATED)
    assert project_stats(project)["per_day"] == [
        {"date": "2026-03-01", "person": 1, "simulated": 0, "imported": 0},
        {"date": "2026-03-03", "person": 1, "simulated": 1, "imported": 0},
    ]


def test_the_annotators_with_their_times(project, alice, bob):
    ranked(project, alice, duration_ms=4000)
    ranked(project, alice, duration_ms=8000)
    ranked(project, bob)
    rows = project_stats(project)["annotators"]
    assert [(row["username"], row["rankings"], row["median_seconds"]) for row in rows] == [
        ("alice", 2, 6.0),
        ("bob", 1, None),
    ]


def test_skips_by_person_and_reason(project, alice):
    TaskFactory(project=project)
    assignment_skip(assignment=task_next(project=project, annotator=alice), reason="harmful")
    stats = project_stats(project)
    assert (stats["skips"], stats["skip_reasons"]) == (1, {"harmful": 1})
    assert stats["annotators"][0]["skips"] == 1


def test_the_queue(project, alice):
    TaskFactory(project=project, wanted_raters=3)
    TaskFactory(project=project)
    task_next(project=project, annotator=alice)
    queue = project_stats(project)["queue"]
    assert queue == {"open": 2, "full": 0, "closed": 0, "leased": 1, "wanted": 4, "remaining": 3}


def test_pairs_ties_and_strengths(project, alice):
    ranked(project, alice, groups=[(0, 1), (2,), (3,)], strengths=[3, 1])
    stats = project_stats(project)
    assert (stats["pairs"], stats["tied_pairs"], stats["strengths"]) == (6, 1, {"1": 1, "3": 1})


def test_none_acceptable_is_counted(project, alice):
    ranked(project, alice, groups=[], none_acceptable=True)
    assert project_stats(project)["none_acceptable"] == 1


def test_ranks_by_place():
    assert ranks_by_place([([7, 5, 6], [[5], [6, 7]])]) == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]


def test_one_annotators_figures_name_nobody_else(project, alice, bob):
    ranked(project, alice)
    ranked(project, bob)
    assert [row["username"] for row in project_stats(project, annotator=alice)["annotators"]] == ["alice"]


@pytest.mark.parametrize("people", [1, 5])
def test_the_queries_do_not_grow(project, people, django_assert_num_queries):
    for _ in range(people):
        user = MembershipFactory(project=project).user
        ranked(project, user)
        ranked(project, user)
    with django_assert_num_queries(6):
        project_stats(project)


def test_quality_is_kept_until_something_changes(project, alice, django_assert_num_queries):
    cache.clear()
    ranked(project, alice)
    project_quality(project)
    with django_assert_num_queries(2):
        assert project_quality(project)["rankings"] == 1
    ranked(project, alice)
    assert project_quality(project)["rankings"] == 2


def test_agreement_of_two_who_agree(project, alice, bob):
    cache.clear()
    for _ in range(6):
        task = TaskFactory(project=project, wanted_raters=2)
        ranked(project, alice, task=task)
        ranked(project, bob, task=task)
    assert project_quality(project)["pairwise_agreement"]["value"] == 1


def test_progress_counts_todays_and_all(project, alice):
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        ranked(project, alice)
    ranked(project, alice)
    TaskFactory(project=project, wanted_raters=2)
    assert annotator_progress(project=project, annotator=alice) == {"today": 1, "mine": 2, "done": 2, "open": 2}


def test_what_was_ranked_since_the_count_is_wanted_no_more(project, alice):
    task = TaskFactory(project=project)
    assert annotator_progress(project=project, annotator=alice)["open"] == 1
    ranked(project, alice, task=task)
    assert annotator_progress(project=project, annotator=alice) == {"today": 1, "mine": 1, "done": 1, "open": 0}
