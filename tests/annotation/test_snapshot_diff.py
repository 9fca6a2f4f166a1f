"""What changed from one snapshot to another."""

import json
from collections import Counter
from dataclasses import asdict

import pytest

from annotation.canonical import fingerprint
from annotation.exceptions import Conflict
from annotation.models import Ranking
from annotation.ranking import Answer
from annotation.services import ranking_revise, retraction_create, snapshot_freeze, task_adjudicate
from annotation.snapshot_diff import lines_diff, snapshot_diff
from annotation.snapshots import folder_of
from tests.factories import TaskFactory, ranked


def line(annotator="a", prompt="p", groups=((0,), (1,)), completions=("x", "y")):
    row = {"annotator": annotator, "completions": completions, "groups": groups, "prompt": prompt}
    return json.dumps(row, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def counts(found):
    return {name: value if isinstance(value, int) else value["count"] for name, value in asdict(found).items()}


def compare(before, after, taken=()):
    return counts(lines_diff(sorted(before), sorted(after), Counter(map(fingerprint, taken))))


NOTHING = {"same": 0, "added": 0, "changed": 0, "retracted": 0, "gone": 0}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([line()], [line()], {"same": 1}),
        ([line()], [line(), line()], {"same": 1, "added": 1}),
        ([line()], [line(groups=((1,), (0,)))], {"changed": 1}),
        ([line()], [line(prompt="q")], {"added": 1, "gone": 1}),
        ([line()], [line(annotator="b")], {"added": 1, "gone": 1}),
        ([line(prompt="q"), line(prompt="p")], [line(prompt="q", groups=((0, 1),)), line()], {"same": 1, "changed": 1}),
        ([line(completions=('x,"groups":', "y"))], [line(completions=('x,"groups":[', "y"))], {"added": 1, "gone": 1}),
    ],
)
def test_lines_are_told_apart(before, after, expected):
    assert compare(before, after) == NOTHING | expected


def test_what_was_taken_back_is_retracted_as_often_as_it_was():
    assert compare([line(), line(), line()], [], taken=[line(), line()]) == NOTHING | {"retracted": 2, "gone": 1}


def test_the_first_of_each_are_shown_and_all_are_counted():
    found = lines_diff([], sorted(line(prompt=f"{n}") for n in range(30)), Counter(), shown=3)
    assert (found.added.count, len(found.added.first)) == (30, 3)
    assert found.added.first[0] == {"before": None, "after": json.loads(line(prompt="0"))}


def test_two_snapshots_of_a_project(project, alice, bob, lena):
    edited, kept, overruled = (ranked(project, alice) for _ in range(3))
    ranked(project, lena)
    before = snapshot_freeze(project=project, actor=None)
    ranking_revise(ranking=edited, answer=Answer([[one for group in edited.groups for one in group]]), actor=alice)
    retraction_create(project=project, annotator=lena, reason="a test", actor=None)
    ranked(project, bob, task=TaskFactory(project=project))
    task_adjudicate(task=overruled.assignment.task, answer=Answer(overruled.groups), actor=bob)
    after = snapshot_freeze(project=project, actor=None)
    found = snapshot_diff(before=before, after=after)
    assert counts(found) == {"same": 1, "added": 2, "changed": 1, "retracted": 1, "gone": 1}
    assert found.changed.first[0]["after"]["groups"] == [[0, 1, 2, 3]]
    assert Ranking.objects.get(pk=kept.pk).is_current


def test_files_that_are_gone_are_named(project, alice):
    ranked(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    folder = folder_of(snapshot.path)
    folder.rename(folder.with_name("lost"))
    with pytest.raises(Conflict, match=snapshot.sha256[:12]):
        snapshot_diff(before=snapshot, after=snapshot)
