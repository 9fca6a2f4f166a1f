"""The queue of tasks that need a reviewer, and what a reviewer decides."""

import pytest
from django.core.cache import cache

from annotation.disagreement import Said, concern, disagreement
from annotation.exceptions import Conflict, InvalidRanking, NotFound, StaleTransition
from annotation.models import (
    AssignmentState,
    AuditEvent,
    PreferencePair,
    Ranking,
    RankingOrigin,
    SkipReason,
    Task,
    TaskKind,
    TaskState,
)
from annotation.ranking import Answer
from annotation.review import review_case, review_queue
from annotation.selectors import project_stats
from annotation.services import (
    adjudication_undo,
    assignment_skip,
    ranking_revise,
    snapshot_freeze,
    task_adjudicate,
    task_ask_again,
    task_leave,
    task_next,
)
from tests.factories import AssignmentFactory, MembershipFactory, TaskFactory, UserFactory, ranked

BACKWARDS = [(3,), (2,), (1,), (0,)]


@pytest.fixture
def torn(project, alice):
    """A task that Alice and Ann rank the other way round."""
    task = TaskFactory(project=project, wanted_raters=2)
    ranked(project, alice, task=task)
    ranked(project, UserFactory(username="ann"), task=task, groups=BACKWARDS)
    Task.objects.filter(pk=task.pk).update(state=TaskState.FULL)
    task.refresh_from_db()
    return task


def ids(task):
    return list(task.completions.order_by("id").values_list("id", flat=True))


def final_of(task, actor):
    return task_adjudicate(task=task, answer=Answer([[one] for one in ids(task)]), actor=actor)


def queue(project, reviewer, **more):
    cache.clear()
    return review_queue(project=project, reviewer=reviewer, **more)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([[[1], [2], [3]], [[1], [2], [3]]], (0.0, 3)),
        ([[[1], [2], [3]], [[3], [2], [1]]], (1.0, 3)),
        ([[[1], [2], [3]], [[2], [1], [3]]], (1 / 3, 3)),
        ([[[1], [2, 3]], [[2], [1], [3]]], (1 / 2, 2)),
        ([[[1, 2]], [[1], [2]]], (None, 0)),
        ([[[1], [2]], [[2], [1]], [[1], [2]]], (2 / 3, 3)),
        ([[[1], [2]], []], (None, 0)),
        ([[[1], [2]]], (None, 0)),
    ],
)
def test_disagreement_is_the_share_of_decided_pairs(answers, expected):
    assert disagreement(answers) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("said", "skips", "expected"),
    [
        ([Said([[1], [2]]), Said([[1], [2]])], {}, ()),
        ([Said([[1], [2]], flags={"1": "Rude"})], {}, ("flags",)),
        ([Said([[1], [2]]), Said([], none_acceptable=True)], {}, ("none_acceptable",)),
        ([Said([], none_acceptable=True)], {}, ()),
        ([Said([[1], [2]], [1]), Said([[1], [2]], [1])], {}, ("unsure",)),
        ([Said([[1], [2]], [1]), Said([[1], [2]], [2])], {}, ()),
        ([], {"broken": 2, "harmful": 1}, ("skipped_broken",)),
    ],
)
def test_what_asks_for_a_reviewer(said, skips, expected):
    assert concern(said, skips).reasons == expected


def test_the_queue_has_what_is_torn_the_most_so_first(project, alice, bob, torn):
    milder = TaskFactory(project=project)
    ranked(project, alice, task=milder)
    Task.objects.filter(pk=milder.pk).update(wanted_raters=2)
    ranked(project, UserFactory(), task=milder, groups=[(1,), (0,), (3,), (2,)])
    ranked(project, alice)
    assert [(row.task, row.concern.reasons) for row in queue(project, bob)] == [(torn.pk, ("disagreement",))]
    rows = queue(project, bob, threshold=0.3)
    assert [row.task for row in rows] == [torn.pk, milder.pk]
    assert [row.concern.disagreement for row in rows] == pytest.approx([1, 1 / 3])


def test_a_flag_and_several_skips_are_in_the_queue_too(project, alice, bob, lena):
    flagged = ranked(project, alice, flags={})
    Ranking.objects.filter(pk=flagged.pk).update(flags={str(flagged.groups[0][0]): "Rude"})
    broken = TaskFactory(project=project, wanted_raters=3)
    for person in (alice, lena):
        held = AssignmentFactory(task=broken, annotator=person)
        Task.objects.filter(pk=broken.pk).update(taken=1)
        assignment_skip(assignment=held, reason=SkipReason.BROKEN)
    assert {row.task: row.concern.reasons for row in queue(project, bob)} == {
        flagged.assignment.task_id: ("flags",),
        broken.pk: ("skipped_broken",),
    }


def test_nobody_reviews_what_they_ranked_themselves(project, alice, torn):
    assert queue(project, alice) == []
    with pytest.raises(Conflict, match="another reviewer"):
        final_of(torn, alice)


def test_the_queue_asks_as_often_for_many_tasks(project, alice, bob, django_assert_num_queries):
    for _ in range(3):
        task = TaskFactory(project=project, wanted_raters=2)
        ranked(project, alice, task=task)
        ranked(project, UserFactory(), task=task, groups=BACKWARDS)
    cache.clear()
    with django_assert_num_queries(8):
        assert len(review_queue(project=project, reviewer=bob)) == 3
    with django_assert_num_queries(4):
        review_queue(project=project, reviewer=bob)


def test_a_case_shows_raters_by_number_and_the_final_apart(project, bob, torn):
    assert (len(review_case(project=project, task_id=torn.pk).rankings), queue(project, bob)[0].raters) == (2, 2)
    final = final_of(torn, bob)
    case = review_case(project=project, task_id=torn.pk)
    assert (case.final, len(case.rankings), case.concern.disagreement) == (final, 2, 1.0)


@pytest.mark.parametrize("kind", [TaskKind.GOLD, TaskKind.REPEAT])
def test_gold_and_repeats_are_no_case(project, torn, kind):
    Task.objects.filter(pk=torn.pk).update(kind=kind, state=TaskState.CLOSED)
    with pytest.raises(NotFound):
        review_case(project=project, task_id=torn.pk)


def test_the_final_ranking_alone_teaches_and_the_others_stay(project, bob, torn):
    final = final_of(torn, bob)
    assert final.origin == RankingOrigin.ADJUDICATED
    assert set(Ranking.objects.training()) == {final}
    assert Ranking.objects.independent().filter(overruled=True).count() == 2
    assert set(PreferencePair.objects.values_list("ranking", flat=True)) == {final.pk}
    assert snapshot_freeze(project=project, actor=None).manifest["counts"]["by_origin"] == {"adjudicated": 1}
    assert AuditEvent.objects.get(verb="task.adjudicate").actor == bob


def test_the_reviewer_takes_no_place(bob, torn):
    final = final_of(torn, bob)
    torn.refresh_from_db()
    assert (torn.taken, torn.wanted_raters, torn.state) == (2, 2, TaskState.FULL)
    assert final.assignment.state == AssignmentState.SUBMITTED
    assert project_stats(torn.project)["rankings"] == 2


def test_there_is_one_final_ranking(bob, lena, torn):
    final_of(torn, bob)
    with pytest.raises(Conflict, match="final ranking already"):
        final_of(torn, lena)


def test_a_task_that_nobody_ranked_has_nothing_to_decide(project, bob):
    with pytest.raises(Conflict, match="Nobody has ranked"):
        final_of(TaskFactory(project=project), bob)


def test_a_final_ranking_is_checked_like_any(bob, torn):
    with pytest.raises(InvalidRanking):
        task_adjudicate(task=torn, answer=Answer([[ids(torn)[0]]]), actor=bob)
    assert Ranking.objects.count() == 2


def test_an_undo_gives_the_others_their_pairs_back(project, bob, torn):
    columns = ("ranking", "chosen", "rejected", "tie", "strength", "weight")
    before = sorted(PreferencePair.objects.values_list(*columns), key=str)
    final = final_of(torn, bob)
    adjudication_undo(ranking=final, actor=bob)
    assert sorted(PreferencePair.objects.values_list(*columns), key=str) == before
    assert [row.task for row in queue(project, bob)] == [torn.pk]
    with pytest.raises(StaleTransition):
        adjudication_undo(ranking=final, actor=bob)
    again = final_of(torn, bob)
    assert again.revision == 2


def test_what_arrives_later_is_overruled(project, bob, torn):
    final = final_of(torn, bob)
    late = ranked(project, UserFactory(), task=torn_wider(torn))
    assert late.overruled
    assert not late.pairs.exists()
    edited = ranking_revise(ranking=late, answer=Answer(late.groups[::-1]), actor=bob)
    assert edited.overruled
    adjudication_undo(ranking=final, actor=bob)
    assert edited.pairs.count() == 6
    assert not late.pairs.exists()


def test_an_edit_of_the_final_ranking_stays_final(bob, torn):
    edited = ranking_revise(ranking=final_of(torn, bob), answer=Answer([ids(torn)]), actor=bob)
    assert set(Ranking.objects.training()) == {edited}
    assert edited.pairs.count() == 6


def test_a_task_that_was_left_comes_back_when_somebody_else_ranks_it(project, alice, bob, torn):
    task_leave(task=torn, actor=bob)
    assert queue(project, bob) == []
    assert Ranking.objects.training().count() == 2
    ranked(project, UserFactory(), task=torn_wider(torn))
    assert [row.task for row in queue(project, bob)] == [torn.pk]


def test_asking_again_opens_one_place_for_somebody_new(project, alice, bob, torn):
    TaskFactory.create_batch(2, project=project)
    fresh = MembershipFactory(project=project).user
    assert task_ask_again(task=torn, actor=bob) is True
    assert task_ask_again(task=torn, actor=bob) is False
    torn.refresh_from_db()
    assert (torn.taken, torn.wanted_raters, torn.state) == (2, 3, TaskState.OPEN)
    assert queue(project, bob) == []
    assert task_next(project=project, annotator=fresh).task_id == torn.pk
    assert task_next(project=project, annotator=alice).task_id != torn.pk
    assert AuditEvent.objects.filter(verb="task.ask_again").count() == 1


@pytest.mark.parametrize("kind", [TaskKind.GOLD, TaskKind.IMPORTED])
def test_what_is_not_handed_out_is_not_asked_again(bob, torn, kind):
    Task.objects.filter(pk=torn.pk).update(kind=kind, state=TaskState.CLOSED)
    with pytest.raises(Conflict, match="not handed out"):
        task_ask_again(task=torn, actor=bob)


def torn_wider(task):
    Task.objects.filter(pk=task.pk).update(wanted_raters=3)
    return task
