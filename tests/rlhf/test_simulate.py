"""Simulated annotators: the noise is exactly Bradley–Terry, the best possible accuracy is what a simulation finds."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit

from rlhf.exceptions import DataError
from rlhf.simulate import (
    Annotator,
    Groups,
    bayes_accuracy,
    groups_shuffled,
    pair_accuracy,
    reference_utility,
    simulated_ranking,
    toy_utility,
    true_win_rate,
)
from rlhf.toy_dialogues import dialogues, seeded
from rlhf.toy_flaws import flawed_reference

MANY = 20_000
SHARP = Annotator(temperature=1.0, tie_margin=0.0)


def place(groups: Groups, index: int) -> int:
    return next(number for number, group in enumerate(groups) if index in group)


def toy_sets(count: int) -> list[list[float]]:
    """Utilities of sets of four of which about half the texts are flawless, as the tiny policy writes them."""
    sets = []
    for one in dialogues(0, count, "test"):
        rng = seeded("sets", one.id)
        texts = [flawed_reference(one, rng) if rng.random() < 0.5 else one.references[0] for _ in range(4)]
        sets.append([toy_utility(one, text).utility for text in texts])
    return sets


@pytest.mark.parametrize(("gap", "temperature"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 1.0), (2.0, 2.0)])
def test_a_pair_is_bradley_terry(gap: float, temperature: float) -> None:
    rng = np.random.default_rng(0)
    noise = Annotator(temperature=temperature, tie_margin=0.0)
    wins = np.mean([simulated_ranking([gap, 0.0], annotator=noise, rng=rng)[0] == (0,) for _ in range(MANY)])
    expected = expit(gap / temperature)
    assert wins == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / MANY))


def test_every_pair_of_a_ranking_of_four_is_bradley_terry() -> None:
    rng = np.random.default_rng(1)
    utilities = [0.0, -1.0, -2.0, -0.5]
    drawn = [simulated_ranking(utilities, annotator=SHARP, rng=rng) for _ in range(MANY)]
    for i, j in combinations(range(4), 2):
        share = np.mean([place(groups, i) < place(groups, j) for groups in drawn])
        assert share == pytest.approx(expit(utilities[i] - utilities[j]), abs=0.015)


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_a_pair_with_ties_is_rao_kupper(gap: float) -> None:
    rng = np.random.default_rng(2)
    noise = Annotator(temperature=1.0, tie_margin=0.5)
    drawn = [simulated_ranking([gap, 0.0], annotator=noise, rng=rng) for _ in range(MANY)]
    win, lose = expit(gap - 0.5), expit(-gap - 0.5)
    assert np.mean([groups == ((0,), (1,)) for groups in drawn]) == pytest.approx(win, abs=0.015)
    assert np.mean([len(groups) == 1 for groups in drawn]) == pytest.approx(1 - win - lose, abs=0.015)


def test_about_one_pair_in_ten_is_a_tie() -> None:
    rng = np.random.default_rng(3)
    pairs = ties = 0
    for row in toy_sets(1500):
        groups = simulated_ranking(row, annotator=Annotator(), rng=rng)
        pairs += 6
        ties += sum(len(group) * (len(group) - 1) // 2 for group in groups)
    assert 0.06 < ties / pairs < 0.14


def test_a_ranking_holds_every_completion_once() -> None:
    groups = simulated_ranking([0.0] * 6, annotator=Annotator(tie_margin=1.0), rng=np.random.default_rng(0))
    assert sorted(index for group in groups for index in group) == list(range(6))


def test_the_same_seed_gives_the_same_ranking() -> None:
    first, second = (
        simulated_ranking([0.0, -1.0, -0.3], annotator=SHARP, rng=np.random.default_rng(7)) for _ in range(2)
    )
    assert first == second


def test_annotators_differ_a_little() -> None:
    temperatures = [Annotator.numbered(index).temperature for index in range(8)]
    assert len(set(temperatures)) == 8
    assert all(0.5 < temperature < 2 for temperature in temperatures)
    assert Annotator.numbered(3) == Annotator.numbered(3)


def test_shuffled_labels_say_nothing() -> None:
    rng = np.random.default_rng(4)
    rows = [[3.0, 2.0, 1.0, 0.0]] * 2000
    rankings = [groups_shuffled(simulated_ranking(row, annotator=SHARP, rng=rng), rng) for row in rows]
    accuracy = pair_accuracy(rows, rankings)
    assert accuracy.low < 0.5 < accuracy.high


def test_bayes_accuracy_of_one_pair_is_the_formula() -> None:
    assert bayes_accuracy([[1.0, 0.0]], [((0,), (1,))], [SHARP]).value == pytest.approx(expit(1.0))
    assert bayes_accuracy([[0.0, 0.0]], [((0,), (1,))], [SHARP]).value == pytest.approx(0.5)
    # The best predictor is not told who won: a surprising label counts the same.
    assert bayes_accuracy([[1.0, 0.0]], [((1,), (0,))], [SHARP]).value == pytest.approx(expit(1.0))


@pytest.mark.parametrize("margin", [0.0, 0.25, 0.5])
def test_bayes_accuracy_is_what_the_true_utilities_reach(margin: float) -> None:
    """The oracle itself, scored on drawn rankings, must come out at the figure."""
    rows = toy_sets(1500) * 4
    people = [Annotator(0.7 + 0.2 * (index % 4), margin) for index in range(len(rows))]
    rng = np.random.default_rng(5)
    rankings = [simulated_ranking(row, annotator=one, rng=rng) for row, one in zip(rows, people, strict=True)]
    reached, best = pair_accuracy(rows, rankings), bayes_accuracy(rows, rankings, people)
    assert best.value == pytest.approx(reached.value, abs=0.008)
    assert best.low < best.value < best.high
    assert best.n == reached.n


def test_no_other_scores_reach_more_than_the_best_possible() -> None:
    rows = toy_sets(1500)
    rng = np.random.default_rng(6)
    rankings = [simulated_ranking(row, annotator=SHARP, rng=rng) for row in rows]
    blurred = [[value + rng.normal() for value in row] for row in rows]
    assert pair_accuracy(blurred, rankings).high < bayes_accuracy(rows, rankings, [SHARP] * len(rows)).value


def test_equal_scores_count_one_half() -> None:
    assert pair_accuracy([[1.0, 1.0]], [((0,), (1,))]).value == 0.5


def test_ties_are_left_out() -> None:
    accuracy = pair_accuracy([[1.0, 0.0, 5.0]], [((0, 1), (2,))])
    assert accuracy.value == 0.0
    with pytest.raises(DataError):
        pair_accuracy([[1.0, 0.0]], [((0, 1),)])


def test_true_win_rate_counts_ties_one_half() -> None:
    rate = true_win_rate([1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 1.0, 0.0])
    assert rate.value == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert rate.low <= rate.value <= rate.high
    assert rate.n == 4


def test_a_policy_against_itself_wins_half() -> None:
    assert true_win_rate([0.0, -1.0], [0.0, -1.0]).value == 0.5


def test_the_reference_utility_prefers_the_reference() -> None:
    references = ("Anna and Tom meet on Friday.", "Tom will see Anna.")
    best, near, far, empty = (
        reference_utility(references, text)
        for text in (references[1], "Anna meets Tom on Monday.", "It rains a lot here.", "")
    )
    assert best > near > far >= empty == 0


def test_the_reference_utility_is_not_won_by_length() -> None:
    references = ("Anna and Tom meet on Friday in the park.",)
    good = reference_utility(references, references[0])
    assert reference_utility(references, "Anna.") < good
    assert reference_utility(references, references[0] + " And so they go on and on about it all.") < good
