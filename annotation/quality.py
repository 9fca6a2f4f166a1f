"""How far the labels can be trusted: agreement, ceiling, position bias, ties and speed.

Pure functions over plain data: no database and no torch, so selectors, commands and tests call
them alike. Everything rests on one table of pair outcomes in numpy: 10,000 rankings take about a
second. A figure is None where fewer than ``minimum`` independent units stand behind it. Kendall's
W is left out on purpose: it is 0.33 at pure chance for three raters.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import krippendorff
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from annotation.bootstrap import MINIMUM, RESAMPLES, Figure, Floats, bootstrap, ratio_figure, sums
from annotation.outcomes import Flags, Outcomes, Ranked, Shared, pair_outcomes, shared_units

__all__ = [
    "Agreement",
    "AnnotatorFigures",
    "Band",
    "Figure",
    "PositionBias",
    "Quality",
    "Ranked",
    "Speed",
    "agreement",
    "ceiling",
    "position_bias",
    "quality",
    "speed",
]


@dataclass(frozen=True)
class Agreement:
    """``n`` of both figures counts prompts that at least two annotators ranked (for A: with a strict pair).

    ``comparisons`` counts (annotator pair, completion pair) without ties: the trials behind ``pairwise``.
    """

    pairwise: Figure | None
    alpha: Figure | None
    prompts: int
    comparisons: int


@dataclass(frozen=True)
class Band:
    """Where the best possible reward-model accuracy lies; ``lowest`` and ``highest`` use A's own interval."""

    low: float
    high: float
    lowest: float
    highest: float
    n: int


@dataclass(frozen=True)
class PositionBias:
    """``share``: of all strict pairs, how often the one shown earlier was ranked above; n = rankings.

    The pairs of one ranking depend on each other, so the exact binomial test takes one pair of
    each: the completion shown first against the one shown last, ties left out.
    """

    share: Figure
    p_value: float
    first_above_last: int
    trials: int


@dataclass(frozen=True)
class Speed:
    """Seconds for a ranking (median, 10th and 90th percentile) and for each of its pairs (median)."""

    median: float
    p10: float
    p90: float
    per_pair: float
    n: int


@dataclass(frozen=True)
class AnnotatorFigures:
    """One annotator; ``agreement`` is with the others on the same pairs, ties left out, n = prompts."""

    annotator: str
    rankings: int
    pairs: int
    tie_rate: float | None
    median_seconds: float | None
    timed: int
    agreement: Figure | None
    position: PositionBias | None


@dataclass(frozen=True)
class Quality:
    """All of it for one set of rankings; ``ties`` is the share of tied pairs, n = rankings."""

    rankings: int
    prompts: int
    agreement: Agreement
    ceiling: Band | None
    position: PositionBias | None
    ties: Figure | None
    speed: Speed | None
    annotators: tuple[AnnotatorFigures, ...]


def agreement(
    rankings: Sequence[Ranked], *, seed: int = 0, resamples: int = RESAMPLES, minimum: int = MINIMUM
) -> Agreement:
    """Pairwise agreement A, ties left out, and Krippendorff's ordinal alpha, both bootstrapped over prompts.

    A counts every two annotators on every pair of completions they both ranked. Alpha's units are
    the completion pairs with outcomes -1, 0, 1; which side comes first is fixed by a hash, for an
    order that follows quality or time would skew the expected disagreement. An annotator who
    ranked the same pair twice counts once, by the later entry.
    """
    return _agreement(shared_units(pair_outcomes(rankings)), seed, resamples, minimum)


def ceiling(pairwise: Figure) -> Band:
    """A ≤ best accuracy ≤ ½(1 + √(2A - 1)): two annotators, each right with chance p, agree on p² + (1 - p)²."""
    value, low, high = pairwise.value, pairwise.low, pairwise.high
    return Band(low=value, high=_best(value), lowest=low, highest=_best(high), n=pairwise.n)


def position_bias(rankings: Sequence[Ranked], *, seed: int = 0, minimum: int = MINIMUM) -> PositionBias | None:
    """Does the page's order leak into the answers? None below ``minimum`` usable rankings."""
    pairs = pair_outcomes(rankings)
    return _position(pairs, np.ones(len(pairs.low), dtype=bool), seed, minimum)


def speed(rankings: Iterable[Ranked], *, minimum: int = MINIMUM) -> Speed | None:
    """Seconds as recorded by the page; rankings without a time are left out."""
    timed = [(r.duration_ms / 1000, sum(map(len, r.groups))) for r in rankings if r.duration_ms is not None]
    if len(timed) < max(1, minimum):
        return None
    seconds = np.array([second for second, _ in timed])
    pairs = np.array([max(1, size * (size - 1) // 2) for _, size in timed])
    p10, median, p90 = (float(x) for x in np.percentile(seconds, (10, 50, 90)))
    return Speed(median, p10, p90, float(np.median(seconds / pairs)), len(timed))


def quality(
    rankings: Sequence[Ranked], *, seed: int = 0, resamples: int = RESAMPLES, minimum: int = MINIMUM
) -> Quality:
    """Everything above, from one table of pairs."""
    pairs = pair_outcomes(rankings)
    shared = shared_units(pairs)
    found = _agreement(shared, seed, resamples, minimum)
    everything = np.ones(len(pairs.low), dtype=bool)
    return Quality(
        rankings=len(rankings),
        prompts=len({ranked.prompt for ranked in rankings}),
        agreement=found,
        ceiling=ceiling(found.pairwise) if found.pairwise else None,
        position=_position(pairs, everything, seed, minimum),
        ties=_share(pairs.ranking, pairs.outcome == 0, everything, seed, minimum),
        speed=speed(rankings, minimum=minimum),
        annotators=_annotators(rankings, pairs, shared, seed, minimum),
    )


def ordinal_alpha(coincidences: Floats, units: int) -> Floats:
    """Krippendorff's alpha [B] from mean coincidence matrices [B, 3, 3] over ``units``; NaN where undefined.

    1 - (n - 1) Σ o_ck δ²_ck / Σ n_c n_k δ²_ck with δ_ck = Σ_{g=c…k} n_g - (n_c + n_k) / 2 (Krippendorff 2011).
    """
    totals = coincidences * units
    margins = totals.sum(axis=2)  # [B, 3]
    observed, expected = np.zeros(len(margins)), np.zeros(len(margins))
    for c, k in ((0, 1), (0, 2), (1, 2)):
        distance = (margins[:, c : k + 1].sum(axis=1) - (margins[:, c] + margins[:, k]) / 2) ** 2
        observed += totals[:, c, k] * distance
        expected += margins[:, c] * margins[:, k] * distance
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (margins.sum(axis=1) - 1) * observed / expected, np.nan)


def _agreement(shared: Shared, seed: int, resamples: int, minimum: int) -> Agreement:
    below, above = shared.counts[:, 0], shared.counts[:, 2]
    agree = below * (below - 1) // 2 + above * (above - 1) // 2
    strict = agree + below * above
    pairwise = ratio_figure(
        sums(shared.prompt, agree, shared.prompts),
        sums(shared.prompt, strict, shared.prompts),
        seed=seed,
        minimum=minimum,
        resamples=resamples,
    )
    return Agreement(pairwise, _alpha(shared, seed, resamples, minimum), shared.prompts, int(strict.sum()))


def _alpha(shared: Shared, seed: int, resamples: int, minimum: int) -> Figure | None:
    if shared.prompts < max(1, minimum) or (shared.counts.sum(axis=0) > 0).sum() < 2:
        return None  # with one value only there is no expected disagreement to compare with
    counts, n = shared.counts, shared.prompts
    value = float(krippendorff.alpha(value_counts=counts, value_domain=[-1, 0, 1], level_of_measurement="ordinal"))
    together = counts[:, :, None] * (counts[:, None, :] - np.eye(3, dtype=np.int64))
    cells = (together / (counts.sum(axis=1) - 1)[:, None, None]).reshape(-1, 9)
    rows = np.stack([sums(shared.prompt, cell, n) for cell in cells.T], axis=1)
    low, high = bootstrap(rows, lambda means: ordinal_alpha(means.reshape(-1, 3, 3), n), seed=seed, resamples=resamples)
    return Figure(value, min(low, value), max(high, value), n)


def _best(pairwise: float) -> float:
    return max(pairwise, 0.5 * (1 + math.sqrt(max(0.0, 2 * pairwise - 1))))


def _share(units: NDArray[np.int64], hit: Flags, mask: Flags, seed: int, minimum: int) -> Figure | None:
    """Share of hits among the masked entries, with ``units`` (rankings) resampled whole."""
    names, unit = np.unique(units[mask], return_inverse=True)
    return ratio_figure(
        sums(unit, hit[mask], len(names)),
        sums(unit, np.ones(len(unit)), len(names)),
        seed=seed,
        minimum=minimum,
    )


def _position(pairs: Outcomes, mask: Flags, seed: int, minimum: int) -> PositionBias | None:
    earlier_above = pairs.outcome == pairs.shown
    usable = mask & (pairs.outcome != 0) & (pairs.shown != 0)
    share = _share(pairs.ranking, earlier_above, usable, seed, minimum)
    ends = usable & pairs.ends
    trials, wins = int(ends.sum()), int((ends & earlier_above).sum())
    if share is None or trials < max(1, minimum):
        return None
    return PositionBias(share, float(stats.binomtest(wins, trials).pvalue), wins, trials)


def _annotators(
    rankings: Sequence[Ranked], pairs: Outcomes, shared: Shared, seed: int, minimum: int
) -> tuple[AnnotatorFigures, ...]:
    same = np.zeros(len(pairs.low))  # others who said the same of this pair, and all who said anything strict
    strict = np.zeros(len(pairs.low))
    said = shared.sign != 0
    agreeing = shared.counts[shared.unit, shared.sign + 1] - 1
    same[shared.entry] = agreeing * said
    strict[shared.entry] = (agreeing + shared.counts[shared.unit, 1 - shared.sign]) * said
    own: dict[str, list[Ranked]] = {name: [] for name in pairs.names}
    for ranked in rankings:
        own[ranked.annotator].append(ranked)
    order = np.argsort(pairs.annotator, kind="stable")
    bounds = np.searchsorted(pairs.annotator[order], np.arange(len(pairs.names) + 1))
    figures = []
    for index, name in enumerate(pairs.names):
        mine = order[bounds[index] : bounds[index + 1]]
        mask = np.zeros(len(pairs.low), dtype=bool)
        mask[mine] = True
        prompts, prompt = np.unique(pairs.prompt[mine], return_inverse=True)
        seconds = [ranked.duration_ms / 1000 for ranked in own[name] if ranked.duration_ms is not None]
        figures.append(
            AnnotatorFigures(
                annotator=name,
                rankings=len(own[name]),
                pairs=len(mine),
                tie_rate=float((pairs.outcome[mine] == 0).mean()) if len(mine) else None,
                median_seconds=float(np.median(seconds)) if seconds else None,
                timed=len(seconds),
                agreement=ratio_figure(
                    sums(prompt, same[mine], len(prompts)),
                    sums(prompt, strict[mine], len(prompts)),
                    seed=seed,
                    minimum=minimum,
                ),
                position=_position(pairs, mask, seed, minimum),
            )
        )
    return tuple(figures)
