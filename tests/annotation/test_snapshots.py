"""Snapshots: the same labels, the same hash, anywhere."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet
import pytest
import yaml
from django.contrib.auth import get_user_model

from annotation.exceptions import Conflict
from annotation.models import Completion, Project, Ranking, Snapshot
from annotation.ranking import Answer
from annotation.services import ranking_revise, snapshot_freeze
from annotation.snapshots import canonical_groups, folder_of, lines_sort, pseudonym
from tests.factories import CompletionFactory, PromptFactory, TaskFactory, ranked


def label(project, annotator, noise=0):
    """One fixed ranking, with ``noise`` prompts before it so that every id differs."""
    for prompt in PromptFactory.create_batch(noise, project=project):
        CompletionFactory(prompt=prompt)
    prompt = PromptFactory(project=project, identity="fixed", text="Cafe\u0301?")
    task = TaskFactory(project=project, prompt=prompt)
    texts = ["Delta", "Alpha", "Charlie", "Bravo"]
    for completion, text in zip(task.completions.order_by("id"), texts[noise:] + texts[:noise], strict=True):
        completion.text = text
        completion.save()
    ids = dict(task.completions.values_list("text", "id"))
    order = [["Bravo"], ["Alpha", "Delta"], ["Charlie"]]
    places = sorted(ids.values())
    groups = [[places.index(ids[text]) for text in group] for group in order]
    return ranked(project, annotator, task=task, groups=groups, strengths=[3, 1], duration_ms=noise)


def lines(snapshot):
    return [json.loads(line) for line in (folder_of(snapshot.path) / "rankings.jsonl").read_text().splitlines()]


def test_a_line_holds_the_labels_and_nothing_else(project, alice):
    label(project, alice)
    assert lines(snapshot_freeze(project=project, actor=None)) == [
        {
            "annotator": pseudonym(username="alice", salt="dialogues"),
            "completions": ["Alpha", "Bravo", "Charlie", "Delta"],
            "groups": [[1], [0, 3], [2]],
            "none_acceptable": False,
            "prompt": "Café?",
            "split": "train",
            "strengths": [3, 1],
        }
    ]


def test_the_file_is_canonical_and_its_hash_names_the_snapshot(project, alice):
    label(project, alice)
    ranked(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    content = (folder_of(snapshot.path) / "rankings.jsonl").read_bytes()
    assert hashlib.sha256(content).hexdigest() == snapshot.sha256
    rows = content.splitlines(keepends=True)
    assert rows == sorted(rows)
    canonical = [json.dumps(json.loads(row), sort_keys=True, ensure_ascii=False, separators=(",", ":")) for row in rows]
    assert content.decode() == "".join(f"{row}\n" for row in canonical)


def test_the_hash_depends_on_no_id_no_time_and_no_order(project, alice):
    label(project, alice)
    first = snapshot_freeze(project=project, actor=None).sha256
    Snapshot.objects.all().delete()
    Ranking.objects.all().delete()
    project.prompts.all().delete()
    label(project, alice, noise=2)
    assert snapshot_freeze(project=project, actor=None).sha256 == first


def test_the_same_labels_give_the_same_snapshot(project, alice, lena):
    label(project, alice)
    assert snapshot_freeze(project=project, actor=lena) == snapshot_freeze(project=project, actor=None)
    assert Snapshot.objects.count() == 1


def test_another_label_gives_another_snapshot(project, alice):
    first = label(project, alice)
    before = snapshot_freeze(project=project, actor=None)
    ranking_revise(ranking=first, answer=Answer(list(reversed(first.groups))), actor=alice)
    after = snapshot_freeze(project=project, actor=None)
    assert before.sha256 != after.sha256
    assert (before.rankings, after.rankings) == (1, 1)


def test_an_old_snapshot_is_not_touched_by_new_labels(project, alice):
    label(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    before = lines(snapshot)
    ranked(project, alice)
    snapshot_freeze(project=project, actor=None)
    assert lines(snapshot) == before


def test_the_parquet_file_holds_the_same(project, alice):
    label(project, alice)
    ranked(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    table = pyarrow.parquet.read_table(folder_of(snapshot.path) / "rankings.parquet")
    assert table.to_pylist() == [{"method": None} | line for line in lines(snapshot)]


def test_the_manifest_counts(project, alice, bob):
    label(project, alice)
    ranked(project, bob, groups=[(0, 1), (2,), (3,)])
    first, *others = Completion.objects.order_by("pk")
    Completion.objects.filter(pk__in=[one.pk for one in others[:3]]).update(backend="imported")
    Completion.objects.filter(pk__in=[one.pk for one in others[3:]]).update(backend="ctranslate2")
    assert first.backend == ""
    manifest = snapshot_freeze(project=project, actor=None).manifest
    assert manifest["counts"]["rankings"] == 2
    assert manifest["counts"]["pairs"] == 12
    assert manifest["counts"]["by_origin"] == {"person": 2}
    assert manifest["counts"]["completions_by_backend"] == {"ctranslate2": 4, "imported": 3, "unknown": 1}
    assert manifest["split_salt"] == "dialogues"
    assert manifest["agreement"]["prompts"] == 0


def test_the_card_says_that_no_licence_was_stated(project, alice):
    label(project, alice)
    card = (folder_of(snapshot_freeze(project=project, actor=None).path) / "README.md").read_text()
    assert "| licence | no licence was stated" in card


def test_the_card_states_the_projects_licence_and_nothing_else_with_it(project, alice):
    project.data_license = 'CC-BY-4.0 "v": [x]|<b>'
    project.save()
    label(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    front, text = (folder_of(snapshot.path) / "README.md").read_text().removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(front) == {"license": project.data_license, "tags": ["preference", "ranking", "rlhf"]}
    assert 'CC-BY-4.0 "v": \\[x\\]\\|\\<b\\> |' in text
    assert snapshot.manifest["license"] == project.data_license


def test_the_card_says_how_many_and_by_whom(project, alice):
    label(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    card = (folder_of(snapshot.path) / "README.md").read_text()
    assert card.startswith("---\nlicense: unknown\n")
    assert "1 rankings, 6 pairs, of 1 prompts by 1 annotators." in card
    for row in (
        "came from | 1 person |",
        "by prompt | 1 train |",
        "not enough overlap",
        "`helpfulness`",
        "0 retractions",
    ):
        assert row in card


def test_the_hash_is_the_same_in_every_version(project, alice):
    """Of the first version that froze anything; snapshots are named by it for ever."""
    label(project, alice)
    golden = "50cf24a37bafd2681e8bb4a2b89a749d9476f37ac06b7d43a6d39f4b91f5687d"
    assert snapshot_freeze(project=project, actor=None).sha256 == golden


def test_lines_are_sorted_in_pieces_as_in_one(tmp_path, monkeypatch):
    lines = [f"{number * 7919 % 1000:03d} é\n".encode() for number in range(1000)]
    monkeypatch.setattr("annotation.snapshots.SORTED_AT_ONCE", 100)
    sha256 = lines_sort(iter(lines), tmp_path)
    content = b"".join(sorted(lines))
    assert (tmp_path / "rankings.jsonl").read_bytes() == content
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["rankings.jsonl"]


def test_the_card_has_the_agreement_with_its_interval(project, alice, bob):
    for _ in range(6):
        task = TaskFactory(project=project, wanted_raters=2)
        ranked(project, alice, task=task)
        ranked(project, bob, task=task)
    ranked(project, bob)
    snapshot = snapshot_freeze(project=project, actor=None)
    # All six agree: Wilson's interval, for resamples of six that agree are never of any that do not.
    assert snapshot.manifest["agreement"]["pairwise"] == pytest.approx(
        {"value": 1, "low": 0.6097, "high": 1, "n": 6}, abs=1e-4
    )
    assert snapshot.manifest["agreement"]["prompts"] == 6
    assert (
        "1.000 (95 %: 0.610 to 1.000; 6 prompts of several raters"
        in (folder_of(snapshot.path) / "README.md").read_text()
    )


def test_nothing_ranked_is_nothing_to_freeze(project):
    with pytest.raises(Conflict, match="Nothing is ranked"):
        snapshot_freeze(project=project, actor=None)


def test_a_folder_that_was_lost_is_written_again(project, alice):
    label(project, alice)
    snapshot = snapshot_freeze(project=project, actor=None)
    folder = folder_of(snapshot.path)
    folder.rename(folder.with_name("lost"))
    assert snapshot_freeze(project=project, actor=None) == snapshot
    assert (folder / "manifest.json").exists()


def test_nothing_half_written_stays_behind(project, alice, monkeypatch):
    label(project, alice)

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("annotation.snapshots._write_parquet", fail)
    with pytest.raises(OSError, match="disk full"):
        snapshot_freeze(project=project, actor=None)
    assert not Snapshot.objects.exists()
    assert list(folder_of("projects/dialogues/snapshots").iterdir()) == []


def test_the_path_is_relative_to_the_data_folder(project, alice, data_folder):
    label(project, alice)
    path = snapshot_freeze(project=project, actor=None).path
    assert not Path(path).is_absolute()
    assert (data_folder / path).is_dir()


def test_a_pseudonym_hides_the_name_and_is_stable():
    assert pseudonym(username="alice", salt="a") == pseudonym(username="alice", salt="a")
    assert pseudonym(username="alice", salt="a") != pseudonym(username="alice", salt="b")
    assert len(pseudonym(username="alice", salt="a")) == 12


def test_of_equal_texts_the_higher_one_comes_first():
    assert canonical_groups({1: "same", 2: "same"}, [[2], [1]]) == canonical_groups({1: "same", 2: "same"}, [[1], [2]])


def test_none_acceptable_keeps_its_completions(project, alice):
    ranked(project, alice, groups=[], none_acceptable=True)
    (line,) = lines(snapshot_freeze(project=project, actor=None))
    assert (line["groups"], len(line["completions"]), line["none_acceptable"]) == ([], 4, True)


def test_another_projects_labels_are_not_in_it(project, alice):
    label(project, alice)
    other = Project.objects.create(slug="other", name="Other", split_salt="other")
    ranked(other, get_user_model().objects.get(username="bob"))
    assert snapshot_freeze(project=project, actor=None).rankings == 1


def test_best_and_worst_are_named_so_and_only_they(project, alice):
    groups = ((0,), (1, 2), (3,))
    ranked(project, alice, groups=groups)
    ranked(project, alice, groups=groups, method="best_worst")
    snapshot = snapshot_freeze(project=project, actor=None)
    assert sorted("method" in line for line in lines(snapshot)) == [False, True]
    assert snapshot.manifest["counts"]["pairs"] == 6 + 5
