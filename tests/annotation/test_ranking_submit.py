"""A ranking, its pairs and the end of its lease: all or nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.exceptions import AlreadySubmitted, InvalidRanking, LeaseLost, StaleTransition
from annotation.models import (
    Assignment,
    AssignmentEvent,
    AssignmentState,
    AuditEvent,
    PreferencePair,
    Ranking,
    RankingOrigin,
    Split,
    Task,
    TaskState,
)
from annotation.ranking import Answer
from annotation.services import leases_expire, ranking_revise, ranking_submit, task_next
from tests.factories import PromptFactory, TaskFactory, ranked

LATER = timedelta(minutes=31)


@pytest.fixture
def held(project, alice):
    """A task in Alice's hands."""
    TaskFactory(project=project, prompt=PromptFactory(project=project, split=Split.VALIDATION))
    return task_next(project=project, annotator=alice)


def submit(assignment, **answer):
    groups = answer.pop("groups", [[completion] for completion in sorted(assignment.display_order)])
    return ranking_submit(assignment=assignment, groups=groups, **answer)


def test_a_ranking_makes_its_pairs(held):
    ranking = submit(held)
    pairs = PreferencePair.objects.filter(ranking=ranking)
    assert pairs.count() == 6
    assert {pair.split for pair in pairs} == {Split.VALIDATION}
    assert sum(pair.weight for pair in pairs) == pytest.approx(1)


def test_a_ranking_ends_its_lease(held):
    submit(held)
    held.refresh_from_db()
    assert held.state == AssignmentState.SUBMITTED
    assert list(AssignmentEvent.objects.order_by("id").values_list("new", flat=True)) == ["leased", "submitted"]


def test_a_ranking_is_kept_as_it_was_said(held):
    ids = sorted(held.display_order)
    ranking = submit(
        held, groups=[[ids[1]], [ids[0], ids[2]], [ids[3]]], strengths=[3, 1], flags={ids[3]: "rude"},
        ratings={"helpfulness": {ids[1]: 5}}, rationale="Because.", duration_ms=8000,
    )  # fmt: skip
    ranking.refresh_from_db()
    assert ranking.groups == [[ids[1]], [ids[0], ids[2]], [ids[3]]]
    assert (ranking.strengths, ranking.flags, ranking.duration_ms) == ([3, 1], {str(ids[3]): "rude"}, 8000)
    assert ranking.ratings == {"helpfulness": {str(ids[1]): 5}}
    assert ranking.origin == RankingOrigin.PERSON


def test_a_wrong_ranking_changes_nothing(held):
    with pytest.raises(InvalidRanking):
        submit(held, groups=[held.display_order[:3]])
    held.refresh_from_db()
    assert held.state == AssignmentState.LEASED
    assert not Ranking.objects.exists()


def test_a_second_submission_is_refused(held):
    submit(held)
    with pytest.raises(AlreadySubmitted):
        submit(held)
    assert Ranking.objects.count() == 1


def test_a_second_submission_from_an_old_copy_is_refused(held):
    copy = Assignment.objects.get(pk=held.pk)
    submit(held)
    with pytest.raises(AlreadySubmitted):
        submit(copy)


def test_a_late_ranking_counts_while_nobody_took_the_task(held):
    leases_expire(now=timezone.now() + LATER)
    held.refresh_from_db()
    submit(held)
    held.refresh_from_db()
    assert held.state == AssignmentState.SUBMITTED
    task = Task.objects.get()
    assert (task.taken, task.state) == (1, TaskState.FULL)


def test_a_late_ranking_that_nobody_swept_counts_at_once(held):
    Assignment.objects.update(lease_expires=timezone.now() - LATER)
    submit(held)
    assert Task.objects.get().taken == 1


def test_a_late_ranking_of_a_task_that_somebody_else_took_is_refused(held, project, bob):
    leases_expire(now=timezone.now() + LATER)
    task_next(project=project, annotator=bob)
    with pytest.raises(LeaseLost, match="somebody else"):
        submit(held)
    assert not Ranking.objects.exists()
    assert Task.objects.get().taken == 1


def test_a_revision_keeps_the_old_one_and_replaces_its_pairs(held, alice):
    first = submit(held)
    ids = sorted(held.display_order)
    second = ranking_revise(ranking=first, answer=Answer([[one] for one in reversed(ids)]), actor=alice)
    first.refresh_from_db()
    assert (second.revision, second.is_current, first.is_current) == (2, True, False)
    assert set(PreferencePair.objects.values_list("ranking", flat=True)) == {second.pk}
    assert PreferencePair.objects.filter(chosen=ids[3], rejected=ids[0]).exists()


def test_an_old_revision_cannot_be_revised(held, alice):
    first = submit(held)
    ranking_revise(ranking=first, answer=Answer(first.groups), actor=alice)
    with pytest.raises(StaleTransition):
        ranking_revise(ranking=first, answer=Answer(first.groups), actor=alice)


def test_a_wrong_revision_changes_nothing(held, alice):
    first = submit(held)
    with pytest.raises(InvalidRanking):
        ranking_revise(ranking=first, answer=Answer([[1]]), actor=alice)
    first.refresh_from_db()
    assert first.is_current
    assert first.pairs.count() == 6


def test_a_reviewers_revision_stays_the_annotators_and_is_audited(held, alice, bob):
    first = submit(held)
    second = ranking_revise(ranking=first, answer=Answer(first.groups), actor=bob)
    assert second.annotator == alice
    event = AuditEvent.objects.get(verb="ranking.revise")
    assert (event.actor, event.data["annotator"]) == (bob, "alice")


def test_none_acceptable_is_a_ranking_without_pairs(held):
    ranking = submit(held, groups=[], none_acceptable=True)
    assert ranking.none_acceptable
    assert not PreferencePair.objects.exists()


def test_a_simulated_ranking_says_so(project, alice):
    assert ranked(project, alice, origin=RankingOrigin.SIMULATED).origin == "simulated"
