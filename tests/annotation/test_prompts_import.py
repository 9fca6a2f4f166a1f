"""Prompts from files of every kind, whole, half-broken and broken."""

import gzip
import io
import json

import pyarrow
import pyarrow.parquet
import pytest

from annotation import readers
from annotation.distribution import split_of
from annotation.exceptions import ImportRefused
from annotation.models import AuditEvent, Prompt
from annotation.services import prompts_import
from annotation.signals import prompts_imported

ROWS = [
    {"id": "a", "dialogue": "Anna: Hi.\nTom: Hello.", "summary": "They greet."},
    {"id": "b", "dialogue": "Tom: Bye."},
]
LINES = "\n".join(map(json.dumps, ROWS)).encode() + b"\n"


@pytest.fixture
def load(project):
    def run(content, name="prompts.jsonl"):
        return prompts_import(project=project, file=io.BytesIO(content), name=name)

    return run


def parquet(rows):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


CSV = b'id,dialogue,summary\r\na,"Anna: Hi.\nTom: Hello.",They greet.\r\nb,Tom: Bye.,\r\n'
KINDS = {
    "jsonl": (LINES, "p.jsonl"),
    "jsonl.gz": (gzip.compress(LINES), "p.jsonl.gz"),
    "json list": (json.dumps(ROWS).encode(), "p.json"),
    "csv": (CSV, "p.csv"),
    "csv.gz": (gzip.compress(CSV), "p.csv.gz"),
    "tsv": (CSV.replace(b",", b"\t"), "p.tsv"),
    "parquet": (parquet(ROWS), "p.parquet"),
    "parquet.gz": (gzip.compress(parquet(ROWS)), "p.parquet.gz"),
    "bom": (b"\xef\xbb\xbf" + LINES, "p.jsonl"),
    "csv with bom": (b"\xef\xbb\xbf" + CSV, "p.csv"),
    "no name": (LINES, ""),
    "windows line ends": (LINES.replace(b"\n", b"\r\n"), "p.jsonl"),
    "no last line end": (LINES.rstrip(), "p.jsonl"),
    "blank lines": (LINES.replace(b"\n", b"\n\n"), "p.jsonl"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_prompts(load, kind):
    report = load(*KINDS[kind])
    assert (report.created, report.duplicates, report.rejected) == (2, 0, [])
    first, second = Prompt.objects.order_by("identity")
    assert (first.external_id, first.text, first.references) == ("a", "Anna: Hi.\nTom: Hello.", ["They greet."])
    assert (second.text, second.references) == ("Tom: Bye.", [])


@pytest.mark.parametrize("field", ["prompt", "dialogue", "text"])
def test_the_prompt_has_several_names(load, field):
    assert load(json.dumps({field: "Hi."}).encode()).created == 1


@pytest.mark.parametrize("field", ["references", "summaries"])
def test_references_can_be_several(load, field):
    load(json.dumps({"prompt": "Hi.", field: ["One.", "Two."]}).encode())
    assert Prompt.objects.get().references == ["One.", "Two."]


def test_a_csv_cell_can_hold_a_list_of_references(load):
    load(b'prompt,references\nHi.,"[""One."", ""Two.""]"\n', "p.csv")
    assert Prompt.objects.get().references == ["One.", "Two."]


def test_a_reference_that_begins_with_a_bracket_is_one_text(load):
    load(b"prompt,summary\nHi.,[sic] They greet.\n", "p.csv")
    assert Prompt.objects.get().references == ["[sic] They greet."]


@pytest.mark.parametrize(
    "row",
    [
        {"turns": [{"speaker": "Ann", "text": "Hi."}, {"speaker": "User", "text": "Bye."}]},
        {"messages": [{"role": "Ann", "content": "Hi."}, {"role": "user", "content": "Bye."}]},
        {"conversation": '[{"from": "Ann", "value": "Hi."}, {"from": "user", "value": "Bye."}]'},
    ],
)
def test_a_prompt_can_be_a_conversation(load, row):
    load(json.dumps(row).encode())
    prompt = Prompt.objects.get()
    assert prompt.turns == [{"speaker": "Ann", "text": "Hi."}, {"speaker": "User", "text": "Bye."}]
    assert prompt.text == "Ann: Hi.\nUser: Bye."


def test_without_an_id_the_content_is_the_identity(load):
    load(b'{"prompt": "Hi."}')
    prompt = Prompt.objects.get()
    assert (prompt.external_id, prompt.identity) == ("", prompt.content_hash)


def test_a_numeric_id_is_an_id(load):
    load(b'{"id": 7, "prompt": "Hi."}')
    assert Prompt.objects.get().external_id == "7"


def test_the_split_follows_from_the_identity_alone(load, project):
    load("\n".join(json.dumps({"id": str(n), "prompt": f"Text {n}"}) for n in range(50)).encode())
    assert all(prompt.split == split_of(prompt.identity, project.split_salt) for prompt in Prompt.objects.all())


def test_about_a_tenth_of_the_prompts_is_for_testing():
    splits = [split_of(str(n), "salt") for n in range(5000)]
    assert 420 < splits.count("test") < 580
    assert 3900 < splits.count("train") < 4100


def test_importing_again_creates_nothing(load):
    load(LINES)
    report = load(LINES)
    assert (report.created, report.duplicates) == (0, 2)
    assert [line.line for line in report.duplicate_lines] == [1, 2]


def test_the_same_id_twice_in_a_file_is_a_duplicate(load):
    report = load(LINES + LINES.splitlines()[0])
    assert (report.created, report.duplicates, report.duplicate_lines[0].line) == (2, 1, 3)


def test_the_same_text_under_another_id_is_a_duplicate(load):
    report = load(LINES + json.dumps({**ROWS[1], "id": "c"}).encode())
    assert (report.created, report.duplicates) == (2, 1)
    assert "'b'" in report.duplicate_lines[0].error


def test_the_same_text_in_another_normal_form_is_a_duplicate(load):
    assert load('{"prompt": "Café"}\n{"prompt": "Cafe\u0301"}'.encode()).duplicates == 1


def test_an_id_that_stands_for_another_text_is_an_error(load):
    load(LINES)
    report = load(b'{"id": "a", "prompt": "Something else."}')
    assert (report.created, report.duplicates) == (0, 0)
    assert "'a' stands for another text" in report.rejected[0].error


def test_the_same_id_in_another_project_is_no_duplicate(load, project):
    load(LINES)
    other = type(project).objects.create(slug="other", name="Other", split_salt="other")
    assert prompts_import(project=other, file=io.BytesIO(LINES)).created == 2


BAD = {
    "no JSON": (b'{"prompt": "Hi."', "Not JSON"),
    "a list": (b"[1]", "Not a JSON object"),
    "a number": (b"7", "Not a JSON object"),
    "NaN": (b'{"prompt": "Hi.", "score": NaN}', "NaN"),
    "bad UTF-8": (b'{"prompt": "caf\xe9"}', "Not UTF-8"),
    "no prompt": (b'{"id": "x"}', "No prompt"),
    "empty": (b'{"prompt": ""}', "empty"),
    "blank": (b'{"prompt": " \\n\\t "}', "empty"),
    "number": (b'{"prompt": 7}', "no text but int"),
    "NUL": (b'{"prompt": "a\\u0000b"}', "NUL"),
    "surrogate": (b'{"prompt": "\\ud83d"}', "surrogate"),
    "NUL in the id": (b'{"id": "a\\u0000", "prompt": "Hi."}', "NUL"),
    "long id": (b'{"id": "' + b"x" * 201 + b'", "prompt": "Hi."}', "201 characters"),
    "id is a list": (b'{"id": ["a"], "prompt": "Hi."}', "The id"),
    "reference is a number": (b'{"prompt": "Hi.", "references": [1]}', "'references' is no text"),
    "too long": (b'{"prompt": "' + b"x" * 100_001 + b'"}', "100,001 characters"),
    "deep": (b"[" * 100_000, "Not JSON"),
    "no turns": (b'{"turns": []}', "0 turns"),
    "a turn without a speaker": (b'{"turns": [{"text": "Hi."}]}', "speaker"),
    "a picture": (b'{"messages": [{"role": "user", "content": [{"type": "image"}]}]}', "else than text"),
    "empty turns": (b'{"turns": [{"speaker": "Ann", "text": " "}]}', "empty"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_line_is_reported_and_the_others_are_imported(load, kind):
    line, message = BAD[kind]
    first, second = LINES.splitlines()
    report = load(b"\n".join([first, line, second]))
    assert report.created == 2
    assert [(bad.line, message in bad.error) for bad in report.rejected] == [(2, True)], report.rejected


def test_a_line_of_megabytes_is_reported_and_the_others_are_imported(load):
    first, second = LINES.splitlines()
    report = load(b"\n".join([first, b'{"prompt": "' + b"x" * readers.MAX_LINE + b'"}', second]))
    assert (report.created, [bad.line for bad in report.rejected]) == (2, [2])


def test_a_csv_row_of_the_wrong_length_is_reported(load):
    report = load(b"id,prompt\na,Hi.\nb\nc,One,two\nd,Bye.\n", "p.csv")
    assert (report.created, [bad.line for bad in report.rejected]) == (2, [3, 4])


def test_a_csv_row_that_is_no_utf8_is_reported(load):
    report = load(b"id,prompt\na,Hi.\nb,caf\xe9\nc,Bye.\n", "p.csv")
    assert (report.created, [bad.line for bad in report.rejected]) == (2, [3])


def test_a_csv_quote_that_is_never_closed_is_reported_where_it_opens(load):
    report = load(b'id,prompt\na,Hi.\nb,"never closed\nc,swallowed\n', "p.csv")
    assert (report.created, [bad.line for bad in report.rejected]) == (1, [3])


def test_line_numbers_of_a_csv_count_lines_inside_quotes(load):
    report = load(b'id,prompt\na,"one\ntwo\nthree"\nb,\n', "p.csv")
    assert [bad.line for bad in report.rejected] == [5]


UNREADABLE = {
    "empty": (b"", "empty"),
    "truncated gzip": (gzip.compress(LINES * 500)[:-20], "gzip file is broken"),
    "gzip with a bad checksum": (gzip.compress(LINES)[:-6] + b"\x00" * 6, "gzip file is broken"),
    "gzip of rubbish": (b"\x1f\x8b" + b"rubbish" * 9, "gzip file is broken"),
    "truncated parquet": (parquet(ROWS)[:-30], "Parquet"),
    "broken JSON list": (json.dumps(ROWS).encode()[:-3], "JSON list"),
    "utf-16": (LINES.decode().encode("utf-16"), "UTF-16"),
    "zip": (b"PK\x03\x04rest", "Excel"),
    "image": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "no text"),
    "csv with a column twice": (b"prompt,prompt\na,b\n", "twice"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_cannot_be_read_imports_nothing(load, kind):
    content, message = UNREADABLE[kind]
    with pytest.raises(ImportRefused, match=message):
        load(content, "")
    assert not Prompt.objects.exists()
    assert not AuditEvent.objects.filter(verb="prompts.import").exists()


@pytest.mark.parametrize("block", [1, 7, 40])
def test_a_json_list_is_read_item_by_item(load, monkeypatch, block):
    monkeypatch.setattr(readers, "_BLOCK", block)
    rows = [*({"prompt": f'"{n}", ]'} for n in range(9)), 12, [], {}]
    report = load(json.dumps(rows, indent=1).encode(), "p.json")
    assert (report.created, [bad.line for bad in report.rejected]) == (9, [10, 11, 12])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"prompt": "a"},]', "Expecting value in item 2"),
        (b'[{"prompt": "a"} {"prompt": "b"}]', "no comma after item 1"),
        (b'[{"prompt": "a"}', "ends with item 1"),
        (b'[{"prompt": "a"}] x', "follows the list of 1"),
        (b'[{"prompt": NaN}]', "NaN"),
        (b'[{"prompt": "caf\xe9"}]', "not UTF-8"),
        (b"[" * 100_000, "JSON list"),
    ],
)
def test_a_json_list_that_is_none_imports_nothing(load, content, message):
    with pytest.raises(ImportRefused, match=message):
        load(content, "p.json")
    assert not Prompt.objects.exists()


def test_an_empty_json_list_is_read(load):
    assert load(b" [ ] ", "p.json").created == 0


def test_a_csv_without_a_prompt_column_is_refused_with_the_columns_it_has(load):
    with pytest.raises(ImportRefused, match="'name', 'age'"):
        load(b"name,age\nAnna,7\n", "p.csv")


def test_a_file_that_is_too_large_is_refused(load, monkeypatch):
    monkeypatch.setattr(readers, "MAX_FILE", 50)
    with pytest.raises(ImportRefused, match="50 is the most"):
        load(LINES)


def test_a_gzip_bomb_is_refused(load, monkeypatch):
    monkeypatch.setattr(readers, "MAX_UNPACKED", 1000)
    with pytest.raises(ImportRefused, match="unpacks to more"):
        load(gzip.compress(LINES * 1000))


def test_too_many_rows_are_refused_and_nothing_is_imported(load, monkeypatch):
    monkeypatch.setattr(readers, "MAX_ROWS", 1)
    with pytest.raises(ImportRefused, match="more than 1 rows"):
        load(LINES)
    assert not Prompt.objects.exists()


def test_others_hear_of_an_import_after_its_commit(load, project, django_capture_on_commit_callbacks):
    heard = []

    def listen(project, count, **kwargs):
        heard.append((project.slug, count))

    prompts_imported.connect(listen)
    try:
        with django_capture_on_commit_callbacks() as callbacks:
            load(LINES)
        assert heard == []
        for callback in callbacks:
            callback()
    finally:
        prompts_imported.disconnect(listen)
    assert heard == [("dialogues", 2)]


def test_an_import_leaves_its_trace(project, rose):
    prompts_import(project=project, items=ROWS, name="list", actor=rose)
    event = AuditEvent.objects.get(verb="prompts.import")
    assert (event.actor, event.target, event.data["created"]) == (rose, "list", 2)


def test_the_queries_grow_by_the_batch_and_not_by_the_line(project, django_assert_max_num_queries):
    items = [{"id": str(n), "prompt": f"Text {n}"} for n in range(2000)]
    with django_assert_max_num_queries(60):
        assert prompts_import(project=project, items=items).created == 2000


def test_a_report_names_a_thousand_lines_and_counts_all(load):
    report = load(b'{"id": "x"}\n' * 1500).as_dict()
    assert (report["rejected_count"], len(report["rejected"])) == (1500, 1000)
