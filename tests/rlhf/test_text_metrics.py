"""Variety, copying, names and numbers, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.text_metrics import Found, copied, distinct, names, names_found, numbers, numbers_found


def test_distinct_counts_different_ngrams_over_all_texts() -> None:
    assert distinct(["a b a", "a b"], 1) == Found(2, 5)
    assert distinct(["a b a", "a b"], 2) == Found(2, 3)
    assert distinct(["", "one"], 2) == Found(0, 0)


def test_copied_counts_trigrams_of_the_source() -> None:
    assert copied("Ann likes the red car.", "Bob: ann LIKES the blue car") == Found(1, 3)
    assert copied("too short", "too short") == Found(0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna will meet Ben on Friday.", {"Anna", "Ben", "Friday"}),
        ("The meeting is moved. She tells Tom.", {"Tom"}),
        ("#Person1# calls Mary-Jane's boss, and I agree.", {"#Person1#", "Mary-Jane"}),
        ("nothing here", set()),
    ],
)
def test_names_by_rule(text: str, expected: set[str]) -> None:
    assert names(text) == expected


def test_an_invented_name_is_not_found() -> None:
    assert names_found("Anna's friend meets Zoe.", "Anna: hi! Ben: hello") == Found(1, 2)
    assert names_found("#Person1# waits.", "#Person1#: I wait.") == Found(1, 1)


def test_numbers_in_digits_and_words_are_the_same() -> None:
    assert numbers("at 5:30 with two of the 12 and one") == {"5:30", "2", "12"}
    assert numbers_found("They meet at seven, not 9.", "See you at 7") == Found(1, 2)


@given(st.text(max_size=60), st.text(max_size=60))
def test_never_more_found_than_there_are(text: str, source: str) -> None:
    for found in (copied(text, source), names_found(text, source), numbers_found(text, source), distinct([text], 1)):
        assert 0 <= found.found <= found.total


@given(st.text(max_size=60))
def test_a_text_is_found_in_itself(text: str) -> None:
    assert copied(text, text).found == copied(text, text).total
    assert numbers_found(text, text).found == numbers_found(text, text).total
