"""Taking labels back, and what it does to pairs, tasks and snapshots."""

import pytest

from annotation.canonical import canonical_lines, pseudonym
from annotation.exceptions import Conflict, InvalidInput, NotFound
from annotation.models import (
    AuditEvent,
    PreferencePair,
    Ranking,
    RankingOrigin,
    Retraction,
    Snapshot,
    Task,
    TaskKind,
    TaskState,
)
from annotation.ranking import Answer
from annotation.services import (
    ranking_revise,
    retraction_create,
    retraction_undo,
    snapshot_freeze,
    task_adjudicate,
    task_next,
)
from annotation.snapshots import folder_of
from tests.factories import TaskFactory, UserFactory, ranked


def pairs():
    columns = ("ranking", "chosen", "rejected", "tie", "strength", "weight", "split", "annotator", "prompt")
    return sorted(PreferencePair.objects.values_list(*columns), key=str)


def retract(project, annotator, actor=None, **more):
    return retraction_create(project=project, annotator=annotator, reason="a script clicked", actor=actor, **more)


def test_every_label_of_the_annotator_loses_its_pairs(project, alice, bob, lena):
    mine = [ranked(project, alice), ranked(project, alice)]
    ranked(project, bob)
    retraction = retract(project, alice, lena)
    assert retraction.rankings == 2
    assert set(Ranking.objects.filter(retraction=retraction, is_current=False)) == set(mine)
    assert {one[-2] for one in pairs()} == {bob.pk}
    event = AuditEvent.objects.get(verb="retraction.create")
    assert (event.actor, event.data["annotator"], event.data["rankings"]) == (lena, "alice", 2)


def test_a_batch_is_taken_back_whoever_ranked_it(project, alice, bob):
    for person, batch in ((alice, "june"), (bob, "june"), (bob, "")):
        Ranking.objects.filter(pk=ranked(project, person).pk).update(batch=batch)
    assert retraction_create(project=project, batch="june", reason="wrong file", actor=None).rankings == 2
    assert Ranking.objects.labels().get().batch == ""


def test_gold_stays_and_so_do_other_projects(project, alice):
    gold = ranked(project, alice)
    Ranking.objects.filter(pk=gold.pk).update(kind=TaskKind.GOLD)
    elsewhere = ranked(TaskFactory().project, alice)
    ranked(project, alice)
    assert retract(project, alice).rankings == 1
    assert Ranking.objects.filter(pk__in=[gold.pk, elsewhere.pk], is_current=True).count() == 2


def test_an_undo_restores_exactly(project, alice, bob, lena):
    ranked(project, alice, groups=[(0, 1), (2,), (3,)], strengths=[1, 3])
    ranked(project, bob)
    before, frozen = [one[1:] for one in pairs()], snapshot_freeze(project=project, actor=None)
    retraction = retract(project, alice)
    retraction_undo(retraction=retraction, actor=lena)
    assert [one[1:] for one in pairs()] == before
    assert snapshot_freeze(project=project, actor=None) == frozen
    assert not Ranking.objects.filter(retraction__isnull=False).exists()
    assert AuditEvent.objects.filter(verb="retraction.undo", actor=lena).exists()


def test_an_undo_is_done_once(project, alice):
    ranked(project, alice)
    retraction = retract(project, alice)
    retraction_undo(retraction=retraction, actor=None)
    with pytest.raises(Conflict, match="undone already"):
        retraction_undo(retraction=Retraction.objects.get(), actor=None)


@pytest.mark.parametrize("wrong", [{"annotator": None}, {"batch": "x"}, {"reason": " "}, {"reason": "x\x00"}])
def test_a_request_that_says_too_little_is_refused(project, alice, wrong):
    ranked(project, alice)
    with pytest.raises(InvalidInput):
        retraction_create(**({"project": project, "annotator": alice, "reason": "why", "actor": None} | wrong))
    assert Ranking.objects.labels().count() == 1


def test_nothing_to_take_back_leaves_no_trace(project, alice):
    with pytest.raises(NotFound):
        retract(project, alice)
    assert not Retraction.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_retracted_ranking_cannot_be_edited(project, alice):
    ranking = ranked(project, alice)
    retract(project, alice)
    with pytest.raises(Conflict, match="taken back"):
        ranking_revise(ranking=ranking, answer=Answer(ranking.groups), actor=alice)


def test_the_next_snapshot_is_without_them_and_the_earlier_ones_say_how_many(project, alice, bob):
    ranked(project, bob)
    first = snapshot_freeze(project=project, actor=None)
    mine = ranked(project, alice)
    second = snapshot_freeze(project=project, actor=None)
    # Edited after the freeze: the snapshot holds the older revision, which is taken back as well.
    ranking_revise(ranking=mine, answer=Answer(list(reversed(mine.groups))), actor=alice)
    ranked(project, alice)
    third = snapshot_freeze(project=project, actor=None)
    retraction = retract(project, alice)
    held = dict(Snapshot.objects.values_list("sha256", "retracted"))
    assert held == {first.sha256: 0, second.sha256: 1, third.sha256: 2}
    assert snapshot_freeze(project=project, actor=None) == first
    retraction_undo(retraction=retraction, actor=None)
    assert set(Snapshot.objects.values_list("retracted", flat=True)) == {0}


def test_a_snapshot_whose_files_are_gone_gets_the_most_it_can_hold(project, alice, bob):
    ranked(project, alice)
    ranked(project, bob)
    snapshot = snapshot_freeze(project=project, actor=None)
    folder = folder_of(snapshot.path)
    folder.rename(folder.with_name("lost"))
    ranked(project, alice)
    retract(project, alice)
    snapshot.refresh_from_db()
    assert snapshot.retracted == 1


def test_a_freeze_that_was_read_before_the_retraction_counts_it_itself(project, alice, monkeypatch):
    """What one of two processes does that freezes while the other takes back."""
    ranked(project, alice)
    read = canonical_lines

    def slow(rankings, of_project):
        lines = list(read(rankings, of_project))
        if not Retraction.objects.exists():
            retract(project, alice)
        return iter(lines)

    monkeypatch.setattr("annotation.services.snapshots.canonical_lines", slow)
    assert snapshot_freeze(project=project, actor=None).retracted == 1


def test_others_rank_the_tasks_instead_when_asked(project, alice, bob):
    ranked(project, alice)
    assert task_next(project=project, annotator=bob) is None
    retraction = retract(project, alice, requeue=True)
    assert task_next(project=project, annotator=alice) is None
    assert Task.objects.get().state == TaskState.OPEN
    retraction_undo(retraction=retraction, actor=None)
    task = Task.objects.get()
    assert (task.taken, task.wanted_raters, task.state) == (1, 1, TaskState.FULL)
    assert task_next(project=project, annotator=bob) is None


def test_a_place_that_somebody_took_meanwhile_stays_theirs(project, alice, bob):
    ranked(project, alice)
    retraction = retract(project, alice, requeue=True)
    assert task_next(project=project, annotator=bob) is not None
    retraction_undo(retraction=retraction, actor=None)
    task = Task.objects.get()
    assert (task.taken, task.wanted_raters) == (2, 2)


def test_a_final_ranking_that_is_taken_back_overrules_nobody(project, alice, bob):
    task = ranked(project, alice).assignment.task
    before = len(pairs())
    final = task_adjudicate(task=task, answer=Answer([[one] for one in _ids(task)][::-1]), actor=bob)
    assert {one[0] for one in pairs()} == {final.pk}
    retraction = retract(project, bob)
    assert len(pairs()) == before
    assert {one[-2] for one in pairs()} == {alice.pk}
    retraction_undo(retraction=retraction, actor=None)
    assert {one[0] for one in pairs()} == {final.pk}


def test_a_retracted_label_that_was_overruled_meanwhile_comes_back_overruled(project, alice, bob):
    task = ranked(project, alice).assignment.task
    ranked(project, UserFactory(), task=Task.objects.get(pk=_wider(task)))
    retraction = retract(project, alice)
    final = task_adjudicate(task=task, answer=Answer([_ids(task)]), actor=bob)
    retraction_undo(retraction=retraction, actor=None)
    assert {one[0] for one in pairs()} == {final.pk}
    assert Ranking.objects.labels().filter(overruled=True).count() == 2


def test_a_line_names_its_annotator_by_pseudonym_alone(project, alice):
    ranked(project, alice)
    (line,) = canonical_lines(Ranking.objects.training().filter(project=project), project)
    assert pseudonym(username="alice", salt=project.split_salt).encode() in line.content
    assert b"alice" not in line.content
    assert line.ranking.origin == RankingOrigin.PERSON


def _ids(task):
    return list(task.completions.order_by("id").values_list("id", flat=True))


def _wider(task):
    Task.objects.filter(pk=task.pk).update(wanted_raters=2)
    return task.pk
