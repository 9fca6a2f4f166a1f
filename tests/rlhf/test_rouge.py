"""ROUGE against the package itself and the published values."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from rlhf.exceptions import DataError
from rlhf.rouge import NAMES, rouge, rouge_table, split_sentences

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside this checkout")
OWN = ("rouge1", "rouge2", "rougeL", "rougeLsum")
PACKAGE = RougeScorer(list(OWN), use_stemmer=True)

words = st.lists(
    st.sampled_from(("the", "cat", "sat.", "running,", "a", "mat!", "cats", "\n", "ran", "5", "Ann's", "A")),
    max_size=25,
)
texts = st.one_of(words.map(" ".join), st.text(max_size=40))


@given(texts, texts)
@settings(deadline=None, max_examples=200)
def test_every_score_is_the_packages_to_the_bit(prediction: str, reference: str) -> None:
    expected = PACKAGE.score(reference, prediction)
    found = rouge(prediction, [reference])
    for name in OWN:
        assert found[name].mean == expected[name].fmeasure


@given(texts, texts)
@settings(deadline=None, max_examples=100)
def test_split_is_the_packages_lsum_of_the_text_with_newlines(prediction: str, reference: str) -> None:
    lines = ["\n".join(split_sentences(text)) for text in (prediction, reference)]
    expected = PACKAGE.score(lines[1], lines[0])["rougeLsum"].fmeasure
    assert rouge(prediction, [reference])["rougeLsum_split"].mean == pytest.approx(expected)


def test_the_same_words_score_one_and_the_stemmer_is_on() -> None:
    assert all(score.mean == 1 for score in rouge("Ann moved the meeting.", ["Ann moved the meeting."]).values())
    assert rouge("meetings moving", ["meeting moved"])["rouge1"].mean == 1


@pytest.mark.parametrize("empty", ["", "   ", "\n", "…!?"])
def test_an_empty_prediction_scores_zero(empty: str) -> None:
    found = rouge(empty, ["Ann moved the meeting.", "Ann moved it."])
    assert set(found) == set(NAMES)
    assert all(score.mean == score.best == 0 for score in found.values())


def test_mean_and_best_over_references() -> None:
    found = rouge("a b", ["a b", "c d"])
    assert found["rouge1"].mean == 0.5
    assert found["rouge1"].best == 1


def test_no_reference_is_an_error() -> None:
    with pytest.raises(DataError, match="at least one reference"):
        rouge("a b", [])


def test_a_table_needs_as_many_references_as_predictions() -> None:
    with pytest.raises(DataError, match="2 predictions and 1 lists"):
        rouge_table(["a", "b"], [["a"]])


def test_lsum_takes_newlines_and_split_takes_full_stops() -> None:
    one = rouge("B came. A left.", ["A left. B came."])
    assert one["rougeL"].mean == one["rougeLsum"].mean == 0.5
    assert one["rougeLsum_split"].mean == 1
    assert rouge("B came.\nA left.", ["A left.\nB came."])["rougeLsum"].mean == 1


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Ann left. Bob stayed!", ["Ann left.", "Bob stayed!"]),
        ("Mr. Smith met Dr. Jones. They ate.", ["Mr. Smith met Dr. Jones.", "They ate."]),
        ("J. Smith paid 3.50 dollars.", ["J. Smith paid 3.50 dollars."]),
        (
            'He said "Go." Then #Person1# left. #Person2# slept.',
            ['He said "Go."', "Then #Person1# left.", "#Person2# slept."],
        ),
        ("one\n\ntwo", ["one", "two"]),
        ("Really?? Yes.", ["Really??", "Yes."]),
        ("", []),
    ],
)
def test_sentences_by_rule(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(max_size=80))
def test_splitting_loses_no_character_but_white_space(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@cache
def rows() -> list[dict[str, Any]]:
    with gzip.open(SHARED / "flan_t5_outputs.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@needs_shared
@pytest.mark.parametrize("system", ["original", "full_finetune", "peft"])
def test_the_published_values_of_three_systems(system: str) -> None:
    published = json.loads((SHARED / "published" / "rouge_computed_shared.json").read_text())
    table = rouge_table([row[system] for row in rows()], [row["references"] for row in rows()])
    for name in OWN:
        mean = sum(score.mean for score in table[name]) / len(table[name])
        best = sum(score.best for score in table[name]) / len(table[name])
        assert mean == pytest.approx(published["pairwise_mean"][system][name]["f1"], abs=1e-6)
        assert best == pytest.approx(published["best_reference_mean_f1"][system][name], abs=1e-6)
