"""Chance-corrected agreement: Krippendorff's alpha at three levels, and Cohen's kappa, with their intervals.

A unit is whatever several people judged; units of one prompt depend on each other, so intervals
resample prompts. Where nobody disagrees every resample is the same: the lower end is Wilson's over the prompts then,
as if one that is not alike were alike by chance. Undefined is None, never 0 or 1: alpha without variation, kappa where
both people always gave one and the same answer.
"""

from typing import Literal

import krippendorff
import numpy as np

from annotation.bootstrap import MINIMUM, RESAMPLES, Figure, Floats, bootstrap, sums, wilson
from annotation.outcomes import Ints

Level = Literal["nominal", "ordinal", "interval"]


def alpha(coincidences: Floats, values: Floats, level: Level) -> Floats:
    """Krippendorff's alpha [B] from coincidence matrices [B, V, V] of ``values`` [V]; NaN where undefined.

    1 - (n - 1) Σ o_ck δ²_ck / Σ n_c n_k δ²_ck (Krippendorff 2011). Of an ordinal scale, δ_ck = Σ_{g=c…k} n_g -
    (n_c + n_k) / 2 is the distance between mean ranks.
    """
    margins = coincidences.sum(axis=2)  # [B, V]
    if level == "nominal":
        distance = np.broadcast_to(1.0 - np.eye(len(values)), coincidences.shape)
    else:
        places = np.cumsum(margins, axis=1) - margins / 2 if level == "ordinal" else values[None, :]
        distance = (places[:, :, None] - places[:, None, :]) ** 2
    observed = (coincidences * distance).sum(axis=(1, 2))
    expected = (margins[:, :, None] * margins[:, None, :] * distance).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (margins.sum(axis=1) - 1) * observed / expected, np.nan)


def alpha_figure(
    counts: Ints,
    prompt: Ints,
    values: Floats,
    level: Level,
    *,
    seed: int = 0,
    minimum: int = MINIMUM,
    resamples: int = RESAMPLES,
) -> Figure | None:
    """Alpha of units [U] from how often each of ``values`` [V] was given, ``counts`` [U, V]; n = prompts.

    ``prompt`` [U] are any codes. Units that fewer than two people judged are left out.
    """
    judged = counts.sum(axis=1) >= 2
    counts, names = counts[judged], prompt[judged]
    prompts, code = np.unique(names, return_inverse=True)
    n, size = len(prompts), len(values)
    if n < max(1, minimum) or (counts.sum(axis=0) > 0).sum() < 2:
        return None  # with one value only there is no expected disagreement to compare with
    value = float(krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement=level))
    if value == 1:
        return wilson(value, n)
    weight = 1 / (counts.sum(axis=1) - 1)
    rows = np.stack(
        [sums(code, counts[:, c] * (counts[:, k] - (c == k)) * weight, n) for c in range(size) for k in range(size)],
        axis=1,
    )
    low, high = bootstrap(
        rows, lambda means: alpha(means.reshape(-1, size, size) * n, values, level), seed=seed, resamples=resamples
    )
    return Figure(value, min(low, value), max(high, value), n)


def cohen_kappa(tables: Floats) -> Floats:
    """Cohen's kappa [B] of tables [B, V, V], one person's answers by the other's; NaN where undefined.

    (p_o - p_e) / (1 - p_e) with p_e from the two people's own margins (Cohen 1960).
    """
    shares = tables / tables.sum(axis=(1, 2), keepdims=True)
    observed = np.trace(shares, axis1=1, axis2=2)
    expected = (shares.sum(axis=2) * shares.sum(axis=1)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def kappa_figure(
    one: Ints, other: Ints, prompt: Ints, values: int, *, seed: int = 0, minimum: int = MINIMUM
) -> Figure | None:
    """Kappa of two people's answers [m], codes 0 … values-1, to the same questions; n = prompts."""
    prompts, code = np.unique(prompt, return_inverse=True)
    n = len(prompts)
    if n < max(1, minimum):
        return None
    cell = one * values + other
    rows = np.bincount(code * values**2 + cell, minlength=n * values**2).reshape(n, -1).astype(np.float64)
    value = float(cohen_kappa(rows.sum(axis=0).reshape(1, values, values))[0])
    if np.isnan(value):
        return None
    if value == 1:
        return wilson(value, n)
    low, high = bootstrap(rows, lambda means: cohen_kappa(means.reshape(-1, values, values)), seed=seed)
    return Figure(value, min(low, value), max(high, value), n)
