"""Pairs for other tools."""

import csv
import io
import json

import datasets
import pyarrow.parquet
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.conversations import as_prompt
from annotation.exceptions import InvalidInput
from annotation.export_rows import pair_rows, ranking_rows
from annotation.exporters import as_lines, as_parquet, format_check, pairs_export
from annotation.models import Ranking, TaskKind
from annotation.ranking import Answer
from annotation.services import ranking_revise
from annotation.snapshots import pseudonym
from tests.factories import CompletionFactory, PromptFactory, TaskFactory, ranked


def export(project, kind="jsonl", layout="trl"):
    return b"".join(as_lines(pairs_export(project=project, layout=layout), kind)).decode()


def rows(project, layout="trl"):
    return [json.loads(line) for line in export(project, layout=layout).splitlines()]


def of_cells(project, text):
    """A project's only ranking, with ``text`` in every place."""
    prompt = PromptFactory(project=project, text=text)
    task = TaskFactory(project=project, prompt=prompt, k=2)
    for completion in task.completions.all():
        completion.text = text
        completion.save()
    return task


def test_trl_gets_prompt_chosen_and_rejected(project, alice):
    ranking = ranked(project, alice, groups=[(1,), (0,)], task=TaskFactory(project=project, k=2))
    worse, better = ranking.assignment.task.completions.order_by("id")
    assert rows(project) == [{"prompt": ranking.prompt.text, "chosen": better.text, "rejected": worse.text}]


def test_trl_gets_no_ties(project, alice):
    ranked(project, alice, groups=[(0, 1), (2,), (3,)])
    assert len(rows(project)) == 5


def test_full_gets_everything(project, alice):
    ranking = ranked(project, alice, groups=[(0, 1), (2,), (3,)], strengths=[1, 3])
    full = rows(project, "full")
    assert len(full) == 6
    assert sum(row["tie"] for row in full) == 1
    assert full[-1] == {
        **full[-1],
        "ranking": ranking.pk,
        "annotator": pseudonym(username="alice", salt="dialogues"),
        "strength": 3,
        "tie": False,
        "weight": pytest.approx(1 / 6),
        "split": "train",
    }


def test_only_the_current_revision_is_exported(project, alice):
    first = ranked(project, alice)
    ranking_revise(ranking=first, answer=Answer(list(reversed(first.groups))), actor=alice)
    assert {row["ranking"] for row in rows(project, "full")} != {first.pk}
    assert len(rows(project)) == 6


def test_another_projects_pairs_stay_there(project, alice):
    ranked(TaskFactory().project, alice)
    assert rows(project) == []


def test_trl_reads_the_file(project, alice, tmp_path):
    from trl.data_utils import is_conversational, unpair_preference_dataset

    ranked(project, alice)
    path = tmp_path / "pairs.jsonl"
    path.write_text(export(project))
    table = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path))
    assert set(table.column_names) == {"prompt", "chosen", "rejected"}
    assert not is_conversational(table[0])
    assert len(unpair_preference_dataset(table)) == 12


def test_trl_takes_the_messages_for_a_conversation(project, alice, tmp_path):
    from trl.data_utils import is_conversational, maybe_extract_prompt

    turns = [
        {"speaker": "User", "text": "Hi."},
        {"speaker": "bot", "text": "Hello."},
        {"speaker": "human", "text": "?"},
    ]
    prompt = PromptFactory(project=project, text="User: Hi.\nbot: Hello.\nhuman: ?", turns=turns)
    ranked(project, alice, task=TaskFactory(project=project, prompt=prompt, k=2), groups=[(1,), (0,)])
    ranked(project, alice, task=TaskFactory(project=project, k=2))
    path = tmp_path / "pairs.parquet"
    with path.open("wb") as file:
        as_parquet(pairs_export(project=project, layout="trl_conversational"), file)
    table = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path))
    assert all(is_conversational(row) for row in table)
    assert maybe_extract_prompt(table[0]) == table[0]
    assert [one["role"] for one in table[0]["prompt"]] == ["user", "assistant", "user"]
    assert table[0]["chosen"][0]["role"] == "assistant"
    assert [len(row["prompt"]) for row in table] == [3, 1]


@pytest.mark.parametrize(
    "turns",
    [
        None,
        [],
        [{"speaker": "Anna", "text": "Lunch?"}],
        [{"speaker": "user", "text": "a"}, {"speaker": "ai", "text": "b"}],
    ],
)
def test_what_is_no_chat_with_the_model_is_one_message(turns):
    assert as_prompt("Anna: Lunch?", turns) == [{"role": "user", "content": "Anna: Lunch?"}]


def test_what_was_overruled_or_is_gold_makes_no_pair(project, alice, bob):
    """Also where a row of the table should have gone and has not."""
    for change in ({"overruled": True}, {"kind": TaskKind.GOLD}, {"is_current": False}):
        Ranking.objects.filter(pk=ranked(project, alice).pk).update(**change)
    assert rows(project, "full") == []


def test_csv_and_jsonl_hold_the_same(project, alice):
    ranked(project, alice)
    assert list(csv.DictReader(io.StringIO(export(project, "csv"), newline=""))) == rows(project)


def test_an_empty_csv_has_its_header(project):
    assert export(project, "csv") == "prompt,chosen,rejected\r\n"


HOSTILE = 'a, "quoted"\r\nline\u2028 <script>alert(1)</script> ;\t\U0001f600'


def test_hostile_texts_survive_jsonl(project, alice):
    ranked(project, alice, task=of_cells(project, HOSTILE))
    assert rows(project) == [{"prompt": HOSTILE, "chosen": HOSTILE, "rejected": HOSTILE}]
    assert export(project).count("\n") == 1


def test_hostile_texts_survive_csv(project, alice):
    ranked(project, alice, task=of_cells(project, HOSTILE))
    (row,) = csv.DictReader(io.StringIO(export(project, "csv"), newline=""))
    assert set(row.values()) == {HOSTILE}


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_spreadsheet_runs_a_text(project, alice, first):
    ranked(project, alice, task=of_cells(project, f"{first}cmd()"))
    (row,) = csv.DictReader(io.StringIO(export(project, "csv"), newline=""))
    assert set(row.values()) == {f"'{first}cmd()"}


def test_jsonl_keeps_a_text_that_looks_like_a_formula(project, alice):
    ranked(project, alice, task=of_cells(project, "=1+1"))
    assert rows(project)[0]["chosen"] == "=1+1"


@pytest.mark.parametrize("layout", ["trl", "trl_conversational", "full"])
def test_parquet_and_jsonl_hold_the_same(project, alice, layout):
    ranked(project, alice, groups=[(0, 1), (2,), (3,)], strengths=[1, 2])
    file = io.BytesIO()
    as_parquet(pairs_export(project=project, layout=layout), file)
    assert pyarrow.parquet.read_table(file).to_pylist() == rows(project, layout)


def test_an_unknown_format_or_layout_is_refused(project):
    with pytest.raises(InvalidInput, match="jsonl"):
        format_check("xlsx")
    with pytest.raises(InvalidInput, match="trl_conversational"):
        pairs_export(project=project, layout="wide")


def test_the_export_is_streamed(project, alice):
    for _ in range(60):
        ranked(project, alice)
    pieces = list(as_lines(pairs_export(project=project), "jsonl"))
    assert len(pieces) == 2
    assert sum(piece.count(b"\n") for piece in pieces) == 360


def test_the_queries_do_not_grow_with_the_pairs(project, alice, django_assert_num_queries):
    for _ in range(5):
        ranked(project, alice)
    with django_assert_num_queries(1):
        export(project, layout="full")


def test_the_command_writes_the_same(project, alice, tmp_path):
    ranked(project, alice)
    out = tmp_path / "pairs.jsonl"
    call_command("export_pairs", "--project", "dialogues", "--out", str(out))
    assert out.read_text() == export(project)


def test_completions_that_nobody_ranked_are_in_no_pair(project, alice):
    CompletionFactory(prompt=ranked(project, alice).prompt, text="Unranked.")
    assert "Unranked." not in export(project)


def test_sqlite_reads_the_rows_in_order_and_sorts_nothing(project, alice):
    """A million rankings' texts would be sorted before the first row."""
    ranked(project, alice)
    with CaptureQueriesContext(connection) as captured:
        list(pair_rows(project=project, layout="full"))
        list(ranking_rows(project=project))
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = [row[3] for row in cursor.fetchall()]
            assert not [step for step in plan if "TEMP B-TREE" in step], plan
