"""Intervals against exact values, a plain loop and their own coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rlhf.exceptions import DataError
from rlhf.statistics import (
    auc,
    bootstrap_mean,
    bootstrap_moments,
    bootstrap_ratio,
    bootstrap_sd,
    normal_interval,
    paired_bootstrap,
    resampled,
    spearman,
    standard_error,
    wilson,
)

finite = st.floats(-1e6, 1e6)


def test_bootstrap_value_is_the_plain_mean() -> None:
    interval = bootstrap_mean([1.0, 2.0, 6.0], seed=1)
    assert interval.value == 3.0
    assert interval.n == 3
    assert interval.low < 3.0 < interval.high


def test_bootstrap_is_the_same_for_the_same_seed_and_not_for_another() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap_mean(values, seed=7) == bootstrap_mean(values, seed=7)
    assert bootstrap_mean(values, seed=7) != bootstrap_mean(values, seed=8)


def test_bootstrap_equals_a_plain_loop_over_resamples() -> None:
    values = np.random.default_rng(0).exponential(size=23)
    rng = np.random.default_rng(5)
    picks = rng.integers(0, 23, size=(1000, 23))
    means = [sum(values[i] for i in row) / 23 for row in picks]
    interval = bootstrap_mean(values, seed=5)
    assert interval.low == pytest.approx(np.percentile(means, 2.5))
    assert interval.high == pytest.approx(np.percentile(means, 97.5))


def test_bootstrap_is_as_wide_as_the_standard_error_says() -> None:
    values = np.random.default_rng(3).normal(size=2000)
    interval = bootstrap_mean(values, seed=0)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * standard_error(values), rel=0.1)


def test_bootstrap_works_on_more_units_than_one_chunk() -> None:
    columns = np.arange(30_000, dtype=np.float64)[:, None]
    assert resampled(columns, seed=0, n=150).shape == (150, 1)


def test_bootstrap_covers_the_truth_in_about_95_of_100_samples() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(200):
        interval = bootstrap_mean(rng.normal(size=60), seed=trial)
        hits += interval.low <= 0 <= interval.high
    assert 178 <= hits <= 199


def test_one_unit_gives_a_point_and_says_so() -> None:
    interval = bootstrap_mean([0.25])
    assert (interval.low, interval.value, interval.high, interval.n) == (0.25, 0.25, 0.25, 1)


@pytest.mark.parametrize("function", [bootstrap_mean, normal_interval, standard_error])
def test_no_values_is_an_error(function: object) -> None:
    with pytest.raises(DataError, match="0 values"):
        function([])  # type: ignore[operator]  # parametrised over functions


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_an_error_that_counts_it(bad: float) -> None:
    with pytest.raises(DataError, match="1 of 3 values are NaN or infinite"):
        bootstrap_mean([1.0, bad, 2.0])


def test_two_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        bootstrap_mean(np.zeros((3, 2)))


@given(st.lists(finite, min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_the_value_lies_in_its_interval_and_the_interval_in_the_data(values: list[float]) -> None:
    interval = bootstrap_mean(values, n=200)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert interval.low <= interval.value <= interval.high
    assert min(values) - slack <= interval.low
    assert interval.high <= max(values) + slack


def test_paired_difference_is_narrower_than_the_unpaired_spread() -> None:
    rng = np.random.default_rng(0)
    prompts = rng.normal(size=100) * 10
    before, after = prompts + rng.normal(size=100) * 0.1, prompts + 1 + rng.normal(size=100) * 0.1
    gain = paired_bootstrap(after, before)
    assert gain.low > 0.9
    assert gain.high < 1.1


def test_pairs_need_as_many_of_each() -> None:
    with pytest.raises(DataError, match="2 and 1"):
        paired_bootstrap([1.0, 2.0], [1.0])


def test_ratio_weighs_trials_and_resamples_units() -> None:
    interval = bootstrap_ratio([3, 0, 1], [6, 0, 2])
    assert interval.value == 0.5
    assert interval.n == 2, "a unit without trials is no unit"


def test_ratio_of_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match="every denominator is 0"):
        bootstrap_ratio([0, 0], [0, 0])


def test_moments_of_one_column_and_of_two_are_the_mean_and_the_ratio() -> None:
    top, bottom = np.random.default_rng(0).integers(1, 9, size=(2, 30)).astype(float)
    assert bootstrap_moments(top[:, None], lambda means: means[:, 0], seed=3) == bootstrap_mean(top, seed=3)
    columns = np.stack([top, bottom], axis=1)
    ratio = bootstrap_moments(columns, lambda means: means[:, 0] / means[:, 1], seed=3)
    assert ratio == bootstrap_ratio(top, bottom, seed=3)


def test_moments_resample_their_columns_together() -> None:
    values = np.random.default_rng(0).normal(size=40)
    same = np.stack([values, values + 1], axis=1)
    assert bootstrap_moments(same, lambda means: means[:, 1] - means[:, 0]).high == pytest.approx(1)


def test_moments_leave_out_resamples_without_an_answer_and_refuse_values_without_one() -> None:
    columns = np.array([[1.0, 1.0], [0.0, 0.0]])
    found = bootstrap_moments(columns, lambda means: means[:, 0] / means[:, 1], n=200)
    assert (found.value, found.low, found.high) == (1, 1, 1)
    with pytest.raises(DataError, match="not defined"):
        bootstrap_moments(np.zeros((2, 2)), lambda means: means[:, 0] / means[:, 1])
    with pytest.raises(DataError, match="0 values"):
        bootstrap_moments(np.zeros((0, 2)), lambda means: means[:, 0])


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 10), (50, 100), (1, 1)])
def test_wilson_equals_scipy(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    interval = wilson(successes, n)
    assert interval.low == pytest.approx(expected.low, abs=1e-12)
    assert interval.high == pytest.approx(expected.high, abs=1e-12)


def test_wilson_reaches_the_design_tables_margin() -> None:
    """To claim a win rate above 0.5 one needs 0.64 at n = 50 and 0.55 at n = 400."""
    assert wilson(32, 50).low > 0.5 > wilson(31, 50).low
    assert wilson(220, 400).low > 0.5


def test_wilson_takes_halves_for_ties_and_refuses_the_impossible() -> None:
    assert wilson(2.5, 5).value == 0.5
    with pytest.raises(DataError, match="0 trials"):
        wilson(0, 0)
    with pytest.raises(DataError, match="6 successes in 5"):
        wilson(6, 5)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_its_value_within_0_and_1(n: int, data: st.DataObject) -> None:
    interval = wilson(data.draw(st.integers(0, n)), n)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_spearman_over_units_equals_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=30)
    b, units = a + rng.normal(size=30), [f"p{i // 3}" for i in range(30)]
    found = spearman(a, b, units=units, seed=7, n=200)
    draws = np.random.default_rng(7).integers(0, 10, size=(200, 10))
    slow = []
    for draw in draws:
        rows = [row for unit in draw for row in range(30) if units[row] == f"p{unit}"]
        slow.append(stats.spearmanr(a[rows], b[rows]).statistic)
    assert found is not None
    assert found.value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(slow, (2.5, 97.5))))
    assert found.n == 10


def test_repeating_each_value_does_not_narrow_spearman_over_units() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=40)
    b, units = a + rng.normal(size=40), list(range(40))
    once = spearman(a, b, units=units)
    thrice = spearman(np.tile(a, 3), np.tile(b, 3), units=units * 3)
    as_independent = spearman(np.tile(a, 3), np.tile(b, 3))
    assert once is not None
    assert thrice is not None
    assert as_independent is not None
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.02)
    assert as_independent.high - as_independent.low < 0.75 * (thrice.high - thrice.low)


def test_spearman_equals_scipy_and_shrinks_with_n() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    b = a + rng.normal(size=200)
    interval, small = spearman(a, b), spearman(a[:20], b[:20])
    assert interval is not None
    assert small is not None
    assert interval.value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert -1 <= interval.low < interval.value < interval.high <= 1
    assert interval.high - interval.low < small.high - small.low


def test_spearman_of_a_constant_or_of_three_pairs_is_not_defined() -> None:
    assert spearman([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]) is None
    assert spearman([1, 2, 3], [1, 2, 3]) is None


def test_spearman_of_the_same_order_is_one() -> None:
    interval = spearman([1, 2, 3, 4, 5], [10, 20, 30, 40, 50])
    assert interval is not None
    assert interval.value == interval.low == interval.high == 1.0


def test_standard_error_by_hand() -> None:
    assert standard_error([1.0, 3.0]) == pytest.approx(1.0)
    assert normal_interval([1.0, 3.0]).high == pytest.approx(2 + 1.959963984540054)


def test_spread_equals_numpy_and_covers_the_truth() -> None:
    values = np.random.default_rng(0).normal(loc=1e6, size=500)
    interval = bootstrap_sd(values)
    assert interval.value == pytest.approx(values.std())
    assert interval.low < 1 < interval.high
    assert bootstrap_sd([2.0, 2.0]).high == 0


def test_auc_equals_a_count_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 6, size=60) / 5, rng.integers(0, 2, size=60)
    yes, no = scores[labels == 1], scores[labels == 0]
    expected = np.mean([(a > b) + 0.5 * (a == b) for a in yes for b in no])
    interval = auc(scores, labels)
    assert interval.value == pytest.approx(expected)
    assert interval.low < interval.value < interval.high


def test_auc_needs_both_sides() -> None:
    with pytest.raises(DataError, match="2 positives and 0 negatives"):
        auc([0.1, 0.2], [1, 1])
