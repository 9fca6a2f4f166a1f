"""Do people agree? Overall, by group of raters, over time and for each two of them; and the ceiling this sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from annotation.bootstrap import MINIMUM, RESAMPLES, Figure, ratio_figure, sums
from annotation.criteria import Criterion, Ratings, criteria
from annotation.measures import alpha_figure
from annotation.outcomes import Ints, Outcomes, Ranked, Shared, pair_outcomes, shared_units

MAX_PAIRS = 200  # pairs of people listed: those with the most shared prompts
WEEKS_FROM = 21  # days: a longer stretch is cut into weeks
MAX_BUCKETS = 26


@dataclass(frozen=True)
class Agreement:
    """``n`` of both figures counts prompts that at least two annotators ranked (for A: with a strict pair).

    ``comparisons`` counts (annotator pair, completion pair) without ties: the trials behind
    ``pairwise``, of which ``agreeing`` agree.
    """

    pairwise: Figure | None
    alpha: Figure | None
    prompts: int
    comparisons: int
    agreeing: int


@dataclass(frozen=True)
class Pairwise(Figure):
    """Pairwise agreement with the comparisons behind it."""

    agreeing: int
    disagreeing: int


@dataclass(frozen=True)
class Group:
    """The raters whom an import calls by one name."""

    pairwise_agreement: Pairwise | None
    alpha_pairs: Figure | None
    criteria: dict[str, Criterion]
    raters: int
    rankings: int


@dataclass(frozen=True)
class Together:
    """Two annotators: ``agreement`` is None below the minimum of ``prompts`` that both ranked with a strict pair."""

    first: str
    second: str
    agreement: Figure | None
    prompts: int
    comparisons: int


@dataclass(frozen=True)
class Stretch:
    """Agreement on the prompts whose newest ranking is of ``first`` to ``last`` (ISO dates)."""

    first: str
    last: str
    agreement: Figure | None
    prompts: int


@dataclass(frozen=True)
class Band:
    """Where the best possible reward-model accuracy lies; ``lowest`` and ``highest`` use A's own interval."""

    low: float
    high: float
    lowest: float
    highest: float
    n: int


def agreement(
    rankings: Sequence[Ranked], *, seed: int = 0, resamples: int = RESAMPLES, minimum: int = MINIMUM
) -> Agreement:
    """Pairwise agreement A, ties left out, and Krippendorff's ordinal alpha, both bootstrapped over prompts.

    A counts every two annotators on every pair of completions they both ranked. Alpha's units are
    the completion pairs with outcomes -1, 0, 1; which side comes first is fixed by a hash, for an
    order that follows quality or time would skew the expected disagreement. An annotator who
    ranked the same pair twice counts once, by the later entry.
    """
    return shared_agreement(shared_units(pair_outcomes(rankings)), seed=seed, resamples=resamples, minimum=minimum)


def shared_agreement(shared: Shared, *, seed: int = 0, resamples: int = RESAMPLES, minimum: int = MINIMUM) -> Agreement:
    """``agreement`` of pairs that are found already."""
    agree, strict = _comparisons(shared)
    pairwise = ratio_figure(
        sums(shared.prompt, agree, shared.prompts),
        sums(shared.prompt, strict, shared.prompts),
        seed=seed,
        minimum=minimum,
        resamples=resamples,
    )
    alpha = alpha_figure(
        shared.counts,
        shared.prompt,
        np.array([-1.0, 0.0, 1.0]),
        "ordinal",
        seed=seed,
        minimum=minimum,
        resamples=resamples,
    )
    return Agreement(pairwise, alpha, shared.prompts, int(strict.sum()), int(agree.sum()))


def pairwise_of(found: Agreement) -> Pairwise | None:
    """A with its counts."""
    figure = found.pairwise
    if figure is None:
        return None
    disagreeing = found.comparisons - found.agreeing
    return Pairwise(figure.value, figure.low, figure.high, figure.n, found.agreeing, disagreeing)


def ceiling(pairwise: Figure) -> Band:
    """A ≤ best accuracy ≤ ½(1 + √(2A - 1)): two annotators, each right with chance p, agree on p² + (1 - p)²."""
    value, low, high = pairwise.value, pairwise.low, pairwise.high
    return Band(low=value, high=_best(value), lowest=low, highest=_best(high), n=pairwise.n)


def groups(
    rankings: Sequence[Ranked],
    ratings: Ratings,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    minimum: int = MINIMUM,
) -> dict[str, Group]:
    """The figures of each named group of raters, as if the others were not there."""
    own: dict[str, list[Ranked]] = {}
    for ranked in rankings:
        if ranked.rater_group:
            own.setdefault(ranked.rater_group, []).append(ranked)
    found = {}
    for name, members in sorted(own.items()):
        result = agreement(members, seed=seed, resamples=resamples, minimum=minimum)
        found[name] = Group(
            pairwise_of(result),
            result.alpha,
            criteria(ratings, groups=[name], seed=seed, resamples=resamples, minimum=minimum),
            len({ranked.annotator for ranked in members}),
            len(members),
        )
    return found


def annotator_pairs(
    pairs: Outcomes, shared: Shared, *, seed: int = 0, minimum: int = MINIMUM
) -> tuple[tuple[Together, ...], int]:
    """Agreement of each two people who share a strict pair: the 200 with the most shared prompts, and how many in all.

    Of a pair of completions that R people judged there are R (R - 1) / 2 comparisons, each with its two names.
    """
    one, other = _comparers(shared)
    people = pairs.annotator[shared.entry]
    prompt = shared.prompt[shared.unit]
    strict = (shared.sign[one] != 0) & (shared.sign[other] != 0)
    one, other = one[strict], other[strict]
    lesser, greater = np.minimum(people[one], people[other]), np.maximum(people[one], people[other])
    same = shared.sign[one] == shared.sign[other]
    keys, pair = np.unique(lesser * max(1, len(pairs.names)) + greater, return_inverse=True)
    order = np.argsort(pair, kind="stable")
    bounds = np.searchsorted(pair[order], np.arange(len(keys) + 1))
    mine = [order[bounds[index] : bounds[index + 1]] for index in range(len(keys))]
    prompts = [np.unique(prompt[one[entries]], return_inverse=True) for entries in mine]
    ranked = sorted(range(len(keys)), key=lambda index: (-len(prompts[index][0]), int(keys[index])))
    found = []
    for index in ranked[:MAX_PAIRS]:
        names, code = prompts[index]
        entries = mine[index]
        figure = ratio_figure(
            sums(code, same[entries], len(names)),
            sums(code, np.ones(len(entries)), len(names)),
            seed=seed,
            minimum=minimum,
        )
        first, second = divmod(int(keys[index]), len(pairs.names))
        found.append(Together(pairs.names[first], pairs.names[second], figure, len(names), len(entries)))
    return tuple(found), len(keys)


def over_time(
    rankings: Sequence[Ranked], pairs: Outcomes, shared: Shared, *, seed: int = 0, minimum: int = MINIMUM
) -> tuple[Stretch, ...]:
    """Agreement by day, by week where the labels span more than three; the newest 26 stretches with shared prompts."""
    days = np.array([-1 if ranked.day is None else ranked.day for ranked in rankings], dtype=np.int64)
    newest = np.full(shared.prompts, -1, dtype=np.int64)
    np.maximum.at(newest, shared.prompt[shared.unit], days[pairs.ranking[shared.entry]])
    known = newest[newest >= 0]
    if not len(known):
        return ()
    width = 7 if known.max() - known.min() >= WEEKS_FROM else 1
    # Ordinal 1 is a Monday, so weeks begin on Mondays.
    start = (newest - 1) // width * width + 1
    agree, strict = _comparisons(shared)
    top, bottom = sums(shared.prompt, agree, shared.prompts), sums(shared.prompt, strict, shared.prompts)
    found = []
    for first in np.unique(start[newest >= 0])[-MAX_BUCKETS:].tolist():
        inside = (start == first) & (newest >= 0)
        figure = ratio_figure(top[inside], bottom[inside], seed=seed, minimum=minimum)
        dates = (date.fromordinal(first).isoformat(), date.fromordinal(first + width - 1).isoformat())
        found.append(Stretch(*dates, figure, int((bottom[inside] > 0).sum())))
    return tuple(found)


def _comparisons(shared: Shared) -> tuple[Ints, Ints]:
    """Of each unit, how many pairs of people agree, and how many were strict on both sides."""
    below, above = shared.counts[:, 0], shared.counts[:, 2]
    agree = below * (below - 1) // 2 + above * (above - 1) // 2
    return agree, agree + below * above


def _comparers(shared: Shared) -> tuple[Ints, Ints]:
    """Every two entries of one unit, as indices into ``shared.entry``."""
    order = np.argsort(shared.unit, kind="stable")
    sizes = np.bincount(shared.unit, minlength=len(shared.counts))
    starts = np.cumsum(sizes) - sizes
    ones, others = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes).tolist():
        first, second = np.triu_indices(size, k=1)
        begin = starts[sizes == size][:, None]
        ones.append(order[(begin + first).ravel()])
        others.append(order[(begin + second).ravel()])
    return np.concatenate(ones), np.concatenate(others)


def _best(pairwise: float) -> float:
    return max(pairwise, 0.5 * (1 + math.sqrt(max(0.0, 2 * pairwise - 1))))
