"""Files in, plain data out; a bad line is refused by its number."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlhf.data import pairs_of, read_examples, read_prompts, read_rankings, read_shots, text_id
from rlhf.exceptions import ConfigError, DataError
from rlhf.prompting import PromptFormat, Shot, Turn
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


TALK = [{"speaker": "Anna", "text": "Hi"}, {"speaker": "Bob", "text": "Noon?"}]
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "When?"},
]
ANSWER = {"role": "assistant", "content": "At noon."}


@pytest.mark.parametrize("field", ["dialogue", "prompt"])
def test_a_prompt_may_be_a_list_of_turns(tmp_path: Path, field: str) -> None:
    path = _write(tmp_path / "p.jsonl", {field: TALK, "summary": "s"})
    assert read_prompts(path) == [Prompt(text_id("Anna: Hi\nBob: Noon?"), "Anna: Hi\nBob: Noon?", ("s",))]
    assert read_prompts(path, PromptFormat("Q: {prompt}", window=1))[0].text == "Q: Bob: Noon?"


def test_a_window_does_not_change_what_a_prompt_is_known_by(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.jsonl", {"dialogue": TALK})
    assert read_prompts(path, PromptFormat(window=1))[0].id == read_prompts(path)[0].id


def test_turns_may_be_messages(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.jsonl", {"messages": MESSAGES})
    format_ = PromptFormat(turn_template="<{speaker}>{text}", turn_separator="", window=1)
    assert [prompt.text for prompt in read_prompts(path, format_)] == ["<system>Be kind.<user>When?"]
    again = _write(tmp_path / "q.jsonl", {"prompt": MESSAGES})
    assert read_prompts(again, format_) == read_prompts(path, format_)


def test_the_assistants_last_message_is_the_answer(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.jsonl", {"messages": [*MESSAGES, ANSWER]})
    expected = "system: Be kind.\nuser: Hi\nassistant: Hello\nuser: When?"
    assert read_examples(path) == [Example(expected, "At noon.")]
    assert read_prompts(path)[0].references == ("At noon.",)
    given = _write(tmp_path / "q.jsonl", {"messages": [*MESSAGES, ANSWER], "references": ["Noon."]})
    assert read_examples(given) == [Example(expected, "Noon.")]


def test_turns_of_a_parquet_file_are_read(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([{"dialogue": TALK}]), tmp_path / "p.parquet")
    assert read_prompts(tmp_path / "p.parquet")[0].text == "Anna: Hi\nBob: Noon?"


def test_a_ranking_of_a_conversation_is_read(tmp_path: Path) -> None:
    (ranking,) = read_rankings(_write(tmp_path / "r.jsonl", RANKING | {"prompt": TALK}), PromptFormat(window=1))
    assert (ranking.prompt, ranking.prompt_id) == ("Bob: Noon?", text_id("Anna: Hi\nBob: Noon?"))


def test_examples_to_show_are_each_prompt_once_with_its_first_reference(tmp_path: Path) -> None:
    path = _write(tmp_path / "e.jsonl", {"dialogue": "d", "summaries": ["s", "t"]}, {"dialogue": TALK, "summary": "u"})
    turns = (Turn("Anna", "Hi"), Turn("Bob", "Noon?"))
    assert read_shots(path) == [Shot("d", "s"), Shot(turns, "u")]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.jsonl", {"prompt": "{prompt} {examples}"})
    assert read_prompts(path, "Q: {prompt}")[0].text == "Q: {prompt} {examples}"


def test_a_template_at_fault_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown placeholder"):
        read_prompts(tmp_path / "none.jsonl", "{dialogue}")


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
        (['{"text": "a"}'], "line 1: no prompt: a line needs one of dialogue, prompt, messages; it has text"),
        (['{"prompt": 3}'], "line 1: prompt must be a text"),
        (['{"prompt": "a", "summaries": [1]}'], "line 1: summaries must be"),
        (['{"messages": "a"}'], r"line 1: messages must be a list of \{role, content\}"),
        (['{"dialogue": []}'], "line 1: dialogue has no turn"),
        (['{"dialogue": ["a"]}'], r"line 1: dialogue, turn 1: must be \{speaker, text\} or \{role, content\}, not 'a'"),
        (['{"dialogue": [{"speaker": "A", "text": "x"}, {"speaker": "B"}]}'], "line 1: dialogue, turn 2: must be"),
        (
            ['{"dialogue": [{"speaker": "A", "text": " "}]}'],
            "turn 1: speaker and text must be texts that are not empty",
        ),
        (['{"messages": [{"role": "user", "content": [1]}]}'], "turn 1: role and content must be texts"),
        (['{"messages": [{"role": "system", "content": "x"}]}'], "line 1: messages has no turn that could be answered"),
        (['{"messages": [{"role": "assistant", "content": "x"}]}'], "line 1: messages has no turn"),
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
        ({"prompt": ""}, "needs its prompt, a text or a list of turns"),
    ],
)
def test_a_bad_ranking_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=rf"r\.jsonl, line 1: .*{message}"):
        read_rankings(_write(tmp_path / "r.jsonl", RANKING | change))


def test_all_pairs_of_a_ranking() -> None:
    ranking = Ranking("p", "p", ("a", "b", "c"), ((2,), (0, 1)), "x", "train")
    assert pairs_of(ranking) == [(2, 0, False), (2, 1, False), (0, 1, True)]


def test_a_window_of_a_text_is_refused_by_its_line(tmp_path: Path) -> None:
    path = _write(tmp_path / "p.jsonl", {"prompt": TALK}, {"prompt": "a text"})
    with pytest.raises(DataError, match=r"p\.jsonl, line 2: a window of 1 turns needs"):
        read_prompts(path, PromptFormat(window=1))


def test_of_best_and_worst_the_others_were_not_compared(tmp_path: Path) -> None:
    row = RANKING | {"completions": ["a", "b", "c", "d"], "groups": [[2], [0, 1], [3]], "strengths": None}
    (ranking,) = read_rankings(_write(tmp_path / "r.jsonl", row | {"method": "best_worst"}))
    assert pairs_of(ranking) == [(2, 0, False), (2, 1, False), (2, 3, False), (0, 3, False), (1, 3, False)]
    with pytest.raises(DataError, match="method must be"):
        read_rankings(_write(tmp_path / "r.jsonl", row | {"method": "guess"}))
