"""Near-duplicates: the edit similarity against its definition, and which texts count as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.near_duplicates import alike, distinct_first, repeats


def _distance(text: str, other: str) -> int:
    """Levenshtein's, by the table."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(text, start=1):
        last, row[0] = row[0], place
        for column, against in enumerate(other, start=1):
            last, row[column] = row[column], min(last + (letter != against), row[column] + 1, row[column - 1] + 1)
    return row[-1]


@given(st.text("ab ", min_size=15, max_size=45), st.text("ab ", max_size=3), st.integers(0, 45))
def test_alike_is_an_edit_similarity_above_the_limit(text: str, change: str, place: int) -> None:
    other = text[:place] + change + text[place + 1 :]
    longest = max(len(text), len(other))
    assert alike(text, other) == (1 - _distance(text, other) / longest > 0.95)


@pytest.mark.parametrize(
    ("length", "changed", "expected"),
    [(20, 1, False), (21, 1, True), (40, 2, False), (41, 2, True), (19, 0, True), (0, 0, True)],
)
def test_the_limit_itself_is_still_different(length: int, changed: int, expected: bool) -> None:  # noqa: FBT001
    assert alike("a" * length, "b" * changed + "a" * (length - changed)) is expected


def test_a_repeat_is_a_text_alike_to_one_before_it() -> None:
    long = "anna meets bob at the station at noon"
    assert repeats([long, "no", long + ".", "no", long]) == [2, 3, 4]
    assert repeats([]) == []


def test_distinct_texts_come_first_and_keep_their_order() -> None:
    long = "anna meets bob at the station at noon"
    assert distinct_first([long, long + ".", "no", "yes"], 3) == [0, 2, 3]
    assert distinct_first([long, long + ".", "no"], 3) == [0, 2, 1]
    assert distinct_first([long, long], 5) == [0, 1]
