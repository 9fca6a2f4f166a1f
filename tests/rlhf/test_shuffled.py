"""The null keeps everything of the rankings but what the labels say."""

from dataclasses import replace

import numpy as np

from rlhf.agreement import pairwise_agreement
from rlhf.shuffled import shuffled_labels
from tests.rlhf.test_agreement import drawn, place


def test_all_but_the_order_stays() -> None:
    rankings = [replace(ranking, strengths=(2,) * (len(ranking.groups) - 1)) for ranking in drawn()]
    for before, after in zip(rankings, shuffled_labels(rankings, 0), strict=True):
        assert replace(after, groups=before.groups) == before
        assert [len(group) for group in after.groups] == [len(group) for group in before.groups]
        assert sorted(i for group in after.groups for i in group) == [0, 1, 2, 3]


def test_annotators_agree_as_before() -> None:
    """Else a prompt that leaks from one side to the other could not be found out by the null."""
    assert pairwise_agreement(shuffled_labels(drawn(), 0)) == pairwise_agreement(drawn())


def test_it_does_not_depend_on_the_order_of_the_completions() -> None:
    ranking = drawn(1)[0]
    turned = replace(
        ranking,
        completions=ranking.completions[::-1],
        groups=tuple(tuple(3 - index for index in group) for group in ranking.groups),
    )
    first, second = shuffled_labels([ranking, turned], 0)
    assert [place(first, text) for text in ranking.completions] == [place(second, text) for text in ranking.completions]


def test_the_seed_decides() -> None:
    assert shuffled_labels(drawn(), 0) == shuffled_labels(drawn(), 0) != shuffled_labels(drawn(), 1)


def test_no_place_is_more_likely_than_another() -> None:
    base = replace(drawn(1)[0], groups=((0,), (1,), (2,), (3,)))
    many = shuffled_labels([replace(base, prompt_id=str(index)) for index in range(2000)], 0)
    best = np.bincount([ranking.groups[0][0] for ranking in many], minlength=4)
    assert abs(best - 500).max() < 80  # four sd of a fair lot
