"""Intervals for every figure: bootstrap, Wilson, rank correlation, standard error.

All take independent units (normally one value for each prompt) and give a 95 % interval. Nothing
here guesses: no values, or a value that is not a number, is a DataError that says so. With one
unit the interval is that point, and ``n`` = 1 beside it says what it is worth.
"""

import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from rlhf.exceptions import DataError
from rlhf.types import Interval

Z95 = 1.959963984540054  # 97.5 % quantile of the standard normal
RESAMPLES = 1000
_CHUNK = 2_000_000  # indices held at once, so that memory does not grow with n times resamples


def bootstrap_mean(values: ArrayLike, seed: int = 0, n: int = RESAMPLES) -> Interval:
    """The mean of ``values`` [units] and its percentile interval over ``n`` seeded resamples of units.

    Efron & Tibshirani 1993, chapter 13. Raises DataError on no values or on NaN and infinity.
    """
    units = _checked(values, "bootstrap_mean")
    means = resampled(units[:, None], seed, n)[:, 0]
    return _interval(float(units.mean()), means, len(units))


def paired_bootstrap(a: ArrayLike, b: ArrayLike, seed: int = 0, n: int = RESAMPLES) -> Interval:
    """The mean of ``a - b`` over units measured twice, units resampled together: [units] each."""
    first, second = _checked(a, "paired_bootstrap"), _checked(b, "paired_bootstrap")
    if len(first) != len(second):
        raise DataError(f"paired_bootstrap: {len(first)} and {len(second)} values; pairs need as many of each")
    return bootstrap_mean(first - second, seed, n)


def bootstrap_ratio(numerators: ArrayLike, denominators: ArrayLike, seed: int = 0, n: int = RESAMPLES) -> Interval:
    """Σ numerators / Σ denominators, resampling units: for shares whose unit holds several trials.

    A unit is a prompt, a trial one of its pairs or samples; resampling trials would call correlated
    ones independent. Units without trials are left out. Raises DataError where no trial is left.
    """
    top, bottom = _checked(numerators, "bootstrap_ratio"), _checked(denominators, "bootstrap_ratio")
    if len(top) != len(bottom):
        raise DataError(f"bootstrap_ratio: {len(top)} numerators and {len(bottom)} denominators")
    kept = bottom > 0
    if not kept.any():
        raise DataError("bootstrap_ratio: every denominator is 0, so there is nothing to take a share of")
    top, bottom = top[kept], bottom[kept]
    means = resampled(np.stack([top, bottom], axis=1), seed, n)
    return _interval(float(top.sum() / bottom.sum()), means[:, 0] / means[:, 1], len(top))


def bootstrap_sd(values: ArrayLike, seed: int = 0, n: int = RESAMPLES) -> Interval:
    """The population standard deviation of ``values`` [units], bootstrapped over units."""
    units = _checked(values, "bootstrap_sd")
    centred = units - units.mean()  # the squares of large values would lose the small spread between them
    moments = resampled(np.stack([centred, centred**2], axis=1), seed, n)
    spreads = np.sqrt(np.maximum(moments[:, 1] - moments[:, 0] ** 2, 0))
    return _interval(float(units.std()), spreads, len(units))


def bootstrap_moments(
    columns: NDArray[np.float64], figure: Callable[[NDArray[np.float64]], NDArray[np.float64]], seed: int = 0,
    n: int = RESAMPLES,
) -> Interval:  # fmt: skip
    """A function of column means, such as a difference of two ratios: ``figure`` maps means [n, C] to values [n].

    ``columns`` [units, C]: units are resampled together. Resamples in which it is not defined are left out. Raises
    DataError on no units, on NaN and infinity, and where the figure itself is not defined.
    """
    for column in columns.T:
        _checked(column, "bootstrap_moments")
    with np.errstate(divide="ignore", invalid="ignore"):
        value, values = float(figure(columns.mean(axis=0)[None])[0]), figure(resampled(columns, seed, n))
    if not math.isfinite(value):
        raise DataError("bootstrap_moments: the figure is not defined for these values")
    return _interval(value, values[np.isfinite(values)], len(columns))


def resampled(columns: NDArray[np.float64], seed: int, n: int) -> NDArray[np.float64]:
    """Column means [n, C] of ``n`` resamples with replacement of the rows of ``columns`` [units, C]."""
    units = len(columns)
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // units)
    parts = [
        columns[rng.integers(0, units, size=(min(step, n - start), units))].mean(axis=1) for start in range(0, n, step)
    ]
    return np.concatenate(parts)


def wilson(successes: float, n: int) -> Interval:
    """A share with Wilson's score interval (Wilson 1927); ``successes`` may hold halves for ties."""
    if n <= 0:
        raise DataError(f"wilson: a share of {n} trials is not defined")
    if not 0 <= successes <= n:
        raise DataError(f"wilson: {successes} successes in {n} trials")
    share, z2 = successes / n, Z95 * Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # The ends are 0 and 1 exactly where no, or every, trial succeeded; rounding must not cross them.
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), n)


def spearman(
    a: ArrayLike, b: ArrayLike, *, units: Sequence[Hashable] | None = None, seed: int = 0, n: int = RESAMPLES
) -> Interval | None:
    """Spearman's rank correlation with Bonett & Wright's (2000) interval on Fisher's z scale.

    Where pairs are not independent, ``units`` says which unit each belongs to: the interval then is a bootstrap over
    units, and its n counts them. None where it is not defined: fewer than four pairs, or one side constant.
    """
    first, second = _checked(a, "spearman", least=0), _checked(b, "spearman", least=0)
    if len(first) != len(second):
        raise DataError(f"spearman: {len(first)} and {len(second)} values; pairs need as many of each")
    if len(first) < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    rho = float(stats.spearmanr(first, second).statistic)
    if units is not None:
        return _resampled_spearman(rho, first, second, units, seed, n)
    if abs(rho) >= 1 - 1e-12:  # Fisher's z is infinite
        rho = float(round(rho))
        return Interval(rho, rho, rho, len(first))
    z, error = math.atanh(rho), math.sqrt((1 + rho * rho / 2) / (len(first) - 3))
    return Interval(rho, math.tanh(z - Z95 * error), math.tanh(z + Z95 * error), len(first))


def _resampled_spearman(
    rho: float,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    units: Sequence[Hashable],
    seed: int,
    n: int,
) -> Interval:
    rows: dict[Hashable, list[int]] = {}
    for row, unit in zip(range(len(first)), units, strict=True):
        rows.setdefault(unit, []).append(row)
    members = [np.array(own) for own in rows.values()]
    draws = np.random.default_rng(seed).integers(0, len(members), size=(n, len(members)))
    found = []
    for draw in draws:
        chosen = np.concatenate([members[unit] for unit in draw])
        ranks = stats.rankdata(first[chosen]), stats.rankdata(second[chosen])
        if np.ptp(ranks[0]) and np.ptp(ranks[1]):  # of a constant side it is not defined
            found.append(float(np.corrcoef(*ranks)[0, 1]))
    return _interval(rho, np.array(found or [rho]), len(members))


def auc(scores: ArrayLike, positive: ArrayLike, seed: int = 0, n: int = RESAMPLES) -> Interval:
    """The chance that a positive scores above a negative, ties one half; the two sides resampled apart.

    Mann-Whitney U / (n₊ n₋), with ``positive`` [units] of 0 and 1; the interval's n is that of all units.
    """
    values, sides = _checked(scores, "auc"), _checked(positive, "auc")
    if len(values) != len(sides):
        raise DataError(f"auc: {len(values)} scores and {len(sides)} labels")
    yes, no = values[sides > 0.5], np.sort(values[sides <= 0.5])
    if not len(yes) or not len(no):
        raise DataError(f"auc: {len(yes)} positives and {len(no)} negatives; both are needed")
    # wins[i, j] summed over one side at a time would be n₊·n₋ numbers a resample; counts of ranks are n₊ + n₋.
    rng = np.random.default_rng(seed)
    draws = [_auc(rng.choice(yes, len(yes)), np.sort(rng.choice(no, len(no)))) for _ in range(n)]
    return _interval(_auc(yes, no), np.array(draws), len(values))


def _auc(yes: NDArray[np.float64], ordered_no: NDArray[np.float64]) -> float:
    below = np.searchsorted(ordered_no, yes, side="left") + np.searchsorted(ordered_no, yes, side="right")
    return float(below.mean() / (2 * len(ordered_no)))


def standard_error(values: ArrayLike) -> float:
    """s / √n with the unbiased variance; DataError below two values, where it is not defined."""
    units = _checked(values, "standard_error", least=2)
    return float(units.std(ddof=1) / math.sqrt(len(units)))


def normal_interval(values: ArrayLike) -> Interval:
    """Mean ± 1.96 standard errors: for figures whose standard error is reported, such as KL."""
    units = _checked(values, "normal_interval")
    mean = float(units.mean())
    half = Z95 * standard_error(units) if len(units) > 1 else 0.0
    return Interval(mean, mean - half, mean + half, len(units))


def _interval(value: float, resamples: NDArray[np.float64], n: int) -> Interval:
    low, high = (float(x) for x in np.percentile(resamples, (2.5, 97.5)))
    # A constant sample must give a point, not an interval of rounding errors beside it.
    return Interval(value, min(low, value), max(high, value), n)


def _checked(values: ArrayLike, name: str, least: int = 1) -> NDArray[np.float64]:
    units = np.asarray(values, dtype=np.float64)
    if units.ndim != 1:
        raise DataError(f"{name}: one value for each unit is needed, not an array of shape {units.shape}")
    if len(units) < least:
        raise DataError(f"{name}: {len(units)} values; at least {least} needed")
    bad = int((~np.isfinite(units)).sum())
    if bad:
        raise DataError(f"{name}: {bad} of {len(units)} values are NaN or infinite")
    return units
