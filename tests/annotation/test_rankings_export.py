"""Everything that was said, one row for each ranking; and the folder that HF datasets loads."""

import csv
import io
import json
import zipfile

import datasets
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from annotation.canonical import pseudonym
from annotation.dataset_folder import dataset_write
from annotation.exporters import as_lines, as_parquet, pairs_export, rankings_export
from annotation.models import Split
from annotation.ranking import Answer, Rewrite, Span
from annotation.services import answer_submit, retraction_create, task_adjudicate
from tests.factories import AssignmentFactory, PromptFactory, TaskFactory, ranked


def rows(project):
    return [json.loads(line) for line in b"".join(as_lines(rankings_export(project=project), "jsonl")).splitlines()]


@pytest.fixture
def said(project, alice):
    """A ranking in which Alice said all that can be said."""
    prompt = PromptFactory(project=project, turns=[{"speaker": "Anna", "text": "Lunch?"}], split=Split.TEST)
    task = TaskFactory(project=project, prompt=prompt, k=3)
    first, second, third = task.completions.order_by("id")
    assignment = AssignmentFactory(task=task, annotator=alice, display_order=[third.pk, first.pk, second.pk])
    return answer_submit(
        assignment=assignment,
        answer=Answer(
            [[second.pk], [first.pk, third.pk]],
            [2],
            flags={first.pk: "=Rude()"},
            ratings={"helpfulness": {second.pk: 5}},
            spans=[Span(third.pk, 0, 4, "unsupported")],
            rationale="shorter",
            rewrite=Rewrite(first.pk, "Lunch, yes."),
            duration_ms=4200,
        ),
    )


def test_a_row_holds_everything(project, said):
    (row,) = rows(project)
    assert row == {
        **row,
        "ranking": said.pk,
        "prompt_id": said.prompt.identity,
        "turns": [{"speaker": "Anna", "text": "Lunch?"}],
        "shown": [2, 0, 1],
        "groups": [[1], [0, 2]],
        "strengths": [2],
        "ratings": [{"criterion": "helpfulness", "completion": 1, "rating": 5}],
        "flags": [{"completion": 0, "reason": "=Rude()"}],
        "spans": [{"completion": 2, "start": 0, "end": 4, "label": "unsupported"}],
        "rationale": "shorter",
        "rewrite": {"completion": 0, "text": "Lunch, yes."},
        "annotator": pseudonym(username="alice", salt=project.split_salt),
        "split": "test",
        "method": "full",
        "origin": "person",
        "overruled": False,
        "duration_ms": 4200,
        "created_at": said.created_at.isoformat(),
    }
    assert len(row["completions"]) == len(row["sources"]) == 3
    assert "alice" not in json.dumps(row)


def test_parquet_and_csv_hold_the_same(project, alice, said):
    ranked(project, alice, groups=[], none_acceptable=True)
    export, file = rankings_export(project=project), io.BytesIO()
    as_parquet(export, file)
    assert pyarrow.parquet.read_table(file).to_pylist() == rows(project)
    text = b"".join(as_lines(export, "csv")).decode()
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert json.loads(first["flags"]) == rows(project)[0]["flags"]
    assert (json.loads(first["groups"]), second["groups"], second["rewrite"]) == ([[1], [0, 2]], "[]", "")


def test_overruled_labels_stay_and_retracted_ones_do_not(project, alice, bob, lena):
    task = ranked(project, alice).assignment.task
    ranked(project, lena)
    task_adjudicate(task=task, answer=Answer([list(task.completions.values_list("id", flat=True))]), actor=bob)
    retraction_create(project=project, annotator=lena, reason="a test", actor=None)
    assert [(row["origin"], row["overruled"]) for row in rows(project)] == [("person", True), ("adjudicated", False)]


def test_the_queries_do_not_grow_with_the_rankings(project, alice, django_assert_num_queries):
    for _ in range(5):
        ranked(project, alice)
    with django_assert_num_queries(2):
        rows(project)


@pytest.mark.parametrize("what", ["rankings", "trl", "trl_conversational", "full"])
def test_datasets_loads_the_folder_by_split(project, alice, tmp_path, monkeypatch, what):
    for split in (Split.TRAIN, Split.TRAIN, Split.VALIDATION, Split.TEST):
        task = TaskFactory(project=project, prompt=PromptFactory(project=project, split=split))
        ranked(project, alice, task=task, rationale="\u2028")
    folder = tmp_path / "out"
    folder.mkdir()
    export = rankings_export(project=project) if what == "rankings" else pairs_export(project=project, layout=what)
    monkeypatch.setattr("annotation.parquet.ROW_GROUP", 2)
    counts = dataset_write(export, folder)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    each = 1 if what == "rankings" else 6
    assert {split: len(table) for split, table in loaded.items()} == {
        "train": 2 * each,
        "validation": each,
        "test": each,
    }
    assert counts.total() == 4 * each
    assert sorted(loaded["test"].column_names) == sorted(export.columns)
    if what == "trl":
        assert loaded["test"][0] == {**loaded["test"][0], "prompt": project.prompts.get(split=Split.TEST).text}


def test_a_project_without_labels_gives_a_card_that_says_so(project, tmp_path):
    assert dataset_write(rankings_export(project=project), tmp_path).total() == 0
    card = (tmp_path / "README.md").read_text()
    assert "Rows: none." in card
    assert card.startswith("---\nlicense: unknown\n")
    assert "Licence: no licence was stated" in card


def test_the_api_sends_the_folder_as_a_zip(project, alice, rose, api_for):
    ranked(project, alice)
    response = api_for(rose).get("/api/v1/projects/dialogues/pairs/?format=datasets")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert archive.namelist() == ["README.md", "data/train.parquet"]
    assert 'filename="dialogues-pairs.zip"' in response.headers["Content-Disposition"]


def test_the_api_streams_rankings(project, said, rose, api_for):
    response = api_for(rose).get("/api/v1/projects/dialogues/rankings/?format=jsonl")
    assert [json.loads(line) for line in b"".join(response.streaming_content).splitlines()] == rows(project)


def test_the_commands_write_a_folder_once(project, alice, tmp_path):
    ranked(project, alice)
    arguments = ("--project", "dialogues", "--format", "datasets", "--out", str(tmp_path / "out"))
    call_command("export_rankings", *arguments)
    assert (tmp_path / "out" / "data" / "train.parquet").exists()
    with pytest.raises(CommandError, match="not an empty folder"):
        call_command("export_pairs", *arguments)
    with pytest.raises(CommandError, match="--out FOLDER"):
        call_command("export_rankings", *arguments[:4])
