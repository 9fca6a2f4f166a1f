"""Files in, plain data out; a bad line is refused by its number."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlhf.data import pairs_of, read_examples, read_prompts, read_rankings, text_id
from rlhf.exceptions import DataError
from rlhf.types import Example, Prompt, Ranking

RANKING = {
    "annotator": "0123456789ab",
    "completions": ["a", "b", "c"],
    "groups": [[2], [0, 1]],
    "none_acceptable": False,
    "prompt": "What?",
    "split": "train",
    "strengths": [3],
}


def _write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("field", ["dialogue", "prompt"])
@pytest.mark.parametrize(
    "reference", [{"summary": "s"}, {"summaries": ["s"]}, {"references": ["s"]}, {"references": "s"}]
)
def test_every_name_of_a_field_is_read(tmp_path: Path, field: str, reference: dict[str, object]) -> None:
    path = _write(tmp_path / "p.jsonl", {"id": "x", field: "text"} | reference)
    assert read_prompts(path) == [Prompt("x", "text", ("s",))]


def test_a_prompt_without_an_id_is_known_by_its_hash(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.jsonl", {"prompt": "text"})
    assert read_prompts(path, "Summarize: {prompt}") == [Prompt(text_id("text"), "Summarize: text")]


def test_the_id_zero_is_an_id(tmp_path: Path) -> None:
    assert read_prompts(_write(tmp_path / "p.jsonl", {"id": 0, "prompt": "text"}))[0].id == "0"


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt": "text"}\n', mtime=0))
    assert [prompt.text for prompt in read_prompts(path)] == ["text"]


def test_csv_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.csv", "id,dialogue,summary", '1,"a, b\nc",short', "2,plain,")
    assert read_prompts(path) == [Prompt("1", "a, b\nc", ("short",)), Prompt("2", "plain")]


def test_a_line_separator_inside_a_text_stays(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a\u2028b"}\n', encoding="utf-8")
    assert read_prompts(path)[0].text == "a\u2028b"


def test_one_example_for_each_reference(tmp_path: Path) -> None:
    path = _write(tmp_path / "e.jsonl", {"dialogue": "d", "summaries": ["s", "t"]})
    assert read_examples(path) == [Example("d", "s"), Example("d", "t")]


def test_an_example_without_a_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"e\.jsonl, line 1: no reference"):
        read_examples(_write(tmp_path / "e.jsonl", {"dialogue": "d"}))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"prompt": "a"}', '{"prompt": '], "line 2: not JSON"),
        (['["a"]'], "line 1: must be an object"),
        (['{"prompt": "  "}'], "line 1: prompt must be a text that is not empty"),
        (['{"text": "a"}'], "line 1: no prompt: a line needs dialogue or prompt; it has text"),
        (['{"prompt": 3}'], "line 1: prompt must be a text"),
        (['{"prompt": "a", "summaries": [1]}'], "line 1: summaries must be"),
        (['{"id": 1, "prompt": "a"}', '{"id": 1, "prompt": "b"}'], "line 2: the id '1' occurs twice"),
        (['{"prompt": "a"}', '{"prompt": "a"}'], "line 2: this prompt occurs twice"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_prompts(_write(tmp_path / "p.jsonl", *lines))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("p.jsonl.gz", gzip.compress(b'{"prompt": "a"}\n' * 99, mtime=0)[:-12], "gzip data is damaged"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": "\xff"}\n', "line 2: not UTF-8"),
        ("p.parquet", b"PAR1 and then nothing", "not a Parquet file"),
        ("p.csv", b"prompt,summary\na\n", "line 2: has not as many cells"),
        ("p.xlsx", b"", "unknown kind of file"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_prompts(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_prompts(tmp_path / "none.jsonl")


def test_a_ranking_is_read(tmp_path: Path) -> None:
    assert read_rankings(_write(tmp_path / "r.jsonl", RANKING), "Q: {prompt}") == [
        Ranking(text_id("What?"), "Q: What?", ("a", "b", "c"), ((2,), (0, 1)), "0123456789ab", "train", (3,))
    ]


def test_parquet_and_jsonl_give_the_same_rankings(tmp_path: Path) -> None:
    lines = _write(tmp_path / "r.jsonl", RANKING, RANKING | {"groups": [[0, 1, 2]], "strengths": None})
    pq.write_table(
        pa.Table.from_pylist([json.loads(line) for line in lines.read_text().splitlines()]), tmp_path / "r.parquet"
    )
    assert read_rankings(tmp_path / "r.parquet") == read_rankings(lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": [[0], [1]]}, "each of the 3 completions once"),
        ({"groups": [[0, 1], [1, 2]]}, "each of the 3 completions once"),
        ({"groups": [[0, 1, 2], []]}, "none of them empty"),
        ({"completions": "abc"}, "completions must be a list"),
        ({"split": "dev"}, "split must be"),
        ({"strengths": [1, 1]}, "strengths must be null or 1 numbers"),
        ({"prompt": ""}, "needs the text of its prompt"),
    ],
)
def test_a_bad_ranking_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=rf"r\.jsonl, line 1: .*{message}"):
        read_rankings(_write(tmp_path / "r.jsonl", RANKING | change))


def test_all_pairs_of_a_ranking() -> None:
    ranking = Ranking("p", "p", ("a", "b", "c"), ((2,), (0, 1)), "x", "train")
    assert pairs_of(ranking) == [(2, 0, False), (2, 1, False), (0, 1, True)]
