"""A figure with its interval, by resampling the units it rests on.

The learning side has the same in `rlhf.statistics`; the two layers are siblings and neither may
import the other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

MINIMUM = 5
RESAMPLES = 1000
GROUPS = 500  # more units than these are resampled in so many random groups
_CHUNK = 2_000_000  # indices held at once

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A value, its 95 % interval and how many independent units stand behind it."""

    value: float
    low: float
    high: float
    n: int


def bootstrap(
    rows: Floats, statistic: Callable[[Floats], Floats], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % interval of ``statistic`` (means [B, C] to values [B]) by percentiles over resamples of ``rows`` [units, C].

    The percentiles are the expanded ones of Hesterberg (2015): 2.5 and 97.5 of resamples cover too little of few units.
    Resamples on which the statistic is NaN (undefined) are left out. Of very many units, the sums of random groups of
    them are resampled: as wide on average, and 500 groups tell the width as well as 1,000 resamples do.
    """
    rng = np.random.default_rng(seed)
    if len(rows) > GROUPS:
        group = rng.permutation(len(rows)) % GROUPS
        rows = np.stack([sums(group, column, GROUPS) for column in rows.T], axis=1) * (GROUPS / len(rows))
    units = len(rows)
    step = max(1, _CHUNK // units)
    values = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = rng.integers(0, units, size=(size, units)) + np.arange(size)[:, None] * units
        # How often each unit was drawn, times the rows: a fraction of the memory of the drawn rows themselves.
        often = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        values.append(statistic(often @ rows / units))
    tail = expanded_tail(units)
    low, high = np.nanquantile(np.concatenate(values), (tail, 1 - tail))
    return float(low), float(high)


def expanded_tail(units: int) -> float:
    """Φ(−t √(n / (n − 1))), t the 97.5 % quantile of Student's t with n − 1 degrees: 0.025 for many units.

    A resample's mean varies by (n − 1) / n too little, and its spread is not known but estimated.
    """
    if units < 2:
        return 0.0
    return float(scipy.stats.norm.cdf(-scipy.stats.t.ppf(0.975, units - 1) * math.sqrt(units / (units - 1))))


def wilson(share: float, n: int) -> Figure:
    """A share with Wilson's 95 % interval (1927); of ``n`` units, of which it need not be a whole number."""
    z = scipy.stats.norm.ppf(0.975)
    centre, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    return Figure(share, max(0.0, min(float(low), share)), min(1.0, max(float(high), share)), n)


def ratio_figure(
    top: Floats, bottom: Floats, *, seed: int, minimum: int = MINIMUM, resamples: int = RESAMPLES
) -> Figure | None:
    """The share Σ top / Σ bottom over units [n]; units without trials are left out, None below ``minimum`` units.

    Where all or none of the trials are hits every resample is the same: the interval is Wilson's then, n = units.
    """
    kept = bottom > 0
    units = int(kept.sum())
    if units < max(1, minimum):
        return None
    rows = np.stack([top[kept], bottom[kept]], axis=1).astype(np.float64)
    value = float(rows[:, 0].sum() / rows[:, 1].sum())
    if value in (0, 1):
        return wilson(value, units)
    low, high = bootstrap(rows, lambda means: means[:, 0] / means[:, 1], seed=seed, resamples=resamples)
    return Figure(value, min(low, value), max(high, value), units)


def sums(units: NDArray[np.int64], values: NDArray[np.generic], n: int) -> Floats:
    """The sum of ``values`` within each of ``n`` units, given each value's unit."""
    return np.bincount(units, weights=values, minlength=n).astype(np.float64)
