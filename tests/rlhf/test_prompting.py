"""Templates with zero, one and few examples, and windows of a conversation; hostile text stays text."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlhf.prompting
from rlhf.config import from_mapping, to_mapping
from rlhf.exceptions import ConfigError, DataError
from rlhf.prompting import TEMPLATES, PromptFormat, Shot, Turn, named, raw_text

TALK = (Turn("Anna", "Hi"), Turn("Bob", "Hello"), Turn("Anna", "Noon?"), Turn("Bob", "Noon."))
SHOTS = (Shot("A: lost my key", "A lost the key."), Shot("B: pizza?", "B wants pizza."))
HOSTILE = [
    "{prompt}",
    "{examples}",
    "{{prompt}}",
    "{speaker}",
    "{text} {target}",
    "{",
    "}}",
    "{nobody}",
    "\\1 \\g<0>",
    "%s",
]


def test_without_anything_a_text_is_read_as_it_is() -> None:
    assert PromptFormat().apply("a text") == "a text"


def test_the_published_template() -> None:
    assert PromptFormat(TEMPLATES["summary"]).apply("d") == "Summarize the following conversation.\n\nd\n\nSummary: "


def test_zero_examples_leave_no_trace() -> None:
    assert PromptFormat(TEMPLATES["flan-dialogue"]).apply("d") == "Dialogue:\n\nd\n\nWhat was going on?\n"


@pytest.mark.parametrize("count", [1, 2])
def test_one_and_few_examples_in_the_style_of_flan(count: int) -> None:
    shown = [
        "Dialogue:\n\nA: lost my key\n\nWhat was going on?\nA lost the key.\n\n\n",
        "Dialogue:\n\nB: pizza?\n\nWhat was going on?\nB wants pizza.\n\n\n",
    ]
    format_ = PromptFormat(TEMPLATES["flan-dialogue"], shots=SHOTS[:count])
    assert format_.apply("d") == "".join(shown[:count]) + "Dialogue:\n\nd\n\nWhat was going on?\n"


def test_an_example_may_have_a_template_of_its_own() -> None:
    format_ = PromptFormat(
        "Summarize.\n\n{examples}D: {prompt}\nS:",
        shots=SHOTS,
        shot_template="D: {prompt}\nS: {target}",
        shot_end="\n\n",
    )
    expected = "Summarize.\n\nD: A: lost my key\nS: A lost the key.\n\nD: B: pizza?\nS: B wants pizza.\n\nD: d\nS:"
    assert format_.apply("d") == expected


def test_a_target_does_not_run_into_a_question_without_a_line_break() -> None:
    format_ = PromptFormat("{examples}{prompt} Why?", shots=(Shot("a", "because"),))
    assert format_.apply("b") == "a Why?\nbecause\n\n\nb Why?"


def test_an_example_that_is_the_prompt_itself_does_not_tell_the_answer() -> None:
    format_ = PromptFormat(TEMPLATES["flan-dialogue"], shots=SHOTS)
    assert "A lost the key." not in format_.apply("A: lost my key")
    assert "B wants pizza." in format_.apply("A: lost my key")


def test_a_conversation_is_written_turn_by_turn() -> None:
    assert PromptFormat("Talk:\n{prompt}").apply(TALK[:2]) == "Talk:\nAnna: Hi\nBob: Hello"
    format_ = PromptFormat(turn_template="<{speaker}> {text}", turn_separator=" | ")
    assert format_.apply(TALK[:2]) == "<Anna> Hi | <Bob> Hello"


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (0, "Anna: Hi\nBob: Hello\nAnna: Noon?\nBob: Noon."),
        (1, "Bob: Noon."),
        (3, "Bob: Hello\nAnna: Noon?\nBob: Noon."),
        (4, "Anna: Hi\nBob: Hello\nAnna: Noon?\nBob: Noon."),
        (9, "Anna: Hi\nBob: Hello\nAnna: Noon?\nBob: Noon."),
    ],
)
def test_a_window_keeps_the_last_turns(window: int, expected: str) -> None:
    assert PromptFormat(window=window).apply(TALK) == expected


def test_what_the_system_said_stays_in_its_place() -> None:
    talk = (Turn("system", "Be kind.", pinned=True), *TALK)
    assert PromptFormat(window=1).apply(talk) == "system: Be kind.\nBob: Noon."
    assert PromptFormat().apply((TALK[0], *talk[:1])) == "Anna: Hi\nsystem: Be kind."


def test_a_window_of_a_text_is_refused() -> None:
    with pytest.raises(DataError, match="a window of 2 turns needs a prompt that is a list of turns"):
        PromptFormat(window=2).apply("Anna: Hi")


def test_examples_may_be_conversations_in_the_same_window() -> None:
    format_ = PromptFormat("{examples}{prompt}\n", window=1, shots=(Shot(TALK, "They meet."),))
    assert format_.apply(TALK[:2]) == "Bob: Noon.\nThey meet.\n\n\nBob: Hello\n"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_prompt_with_a_placeholder_stays_text(hostile: str) -> None:
    format_ = PromptFormat(TEMPLATES["flan-dialogue"], shots=(Shot(f"p {hostile}", f"t {hostile}"),))
    shown = f"Dialogue:\n\np {hostile}\n\nWhat was going on?\nt {hostile}\n\n\n"
    assert format_.apply(hostile) == f"{shown}Dialogue:\n\n{hostile}\n\nWhat was going on?\n"
    assert PromptFormat("Q: {prompt}").apply((Turn(hostile, hostile),)) == f"Q: {hostile}: {hostile}"


@given(st.text(alphabet="{}prometxaslgn \n\\", max_size=40), st.text(alphabet="{}prompt", max_size=20))
def test_a_text_is_found_again_whole(text: str, target: str) -> None:
    format_ = PromptFormat(
        "<{examples}|{prompt}>", shots=(Shot("x" + text, target),), shot_template="{prompt}={target}"
    )
    assert format_.apply(text) == f"<x{text}={target}\n\n\n|{text}>"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"template": "Summarize."}, r"template has no \{prompt\}: the model would never see the prompt"),
        ({"template": "{dialogue}"}, r"template has an unknown placeholder \{dialogue\}; it knows \{prompt\} and"),
        ({"template": "{prompt} {dialogue}"}, r"write \{\{dialogue\}\}"),
        ({"template": "{{prompt}}"}, r"template has no \{prompt\}"),
        ({"shots": SHOTS}, r"template has no \{examples\}: the model would never see the 2 given"),
        ({"turn_template": "{speaker}"}, r"turn_template has no \{text\}"),
        ({"turn_template": "{role}: {text}"}, r"turn_template has an unknown placeholder \{role\}"),
        ({"shot_template": "{prompt}"}, r"shot_template has no \{target\}"),
        ({"shot_template": "{prompt}{target}{summary}"}, r"shot_template has an unknown placeholder \{summary\}"),
        ({"window": -1}, "window must be 0"),
    ],
)
def test_a_template_at_fault_is_refused_by_its_fault(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(PromptFormat, wrong)


def test_braces_that_are_no_placeholder_are_text() -> None:
    assert PromptFormat('{"a": {"b": "{prompt}"}} {1} {}').apply("x") == '{"a": {"b": "x"}} {1} {}'
    assert PromptFormat("{prompt} {{name}}").apply("x") == "x {name}"


def test_a_template_has_a_name_or_is_one() -> None:
    assert named("summary") == TEMPLATES["summary"]
    assert named("{prompt}!") == "{prompt}!"


def test_a_format_survives_the_way_to_json_and_back() -> None:
    format_ = PromptFormat(TEMPLATES["flan-dialogue"], window=2, shots=(Shot(TALK, "They meet."), SHOTS[0]))
    assert from_mapping(PromptFormat, to_mapping(format_)) == format_


def test_the_identity_of_a_conversation_is_all_of_it() -> None:
    assert raw_text(TALK[:2]) == "Anna: Hi\nBob: Hello"
    assert raw_text("a text") == "a text"


def test_the_module_imports_no_torch() -> None:
    tree = ast.parse(Path(rlhf.prompting.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"collections.abc", "dataclasses", "typing", "rlhf.exceptions"}
