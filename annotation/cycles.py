"""A above B, B above C, C above A: more often than noise alone makes of transitive people?

One ranking has no cycle. Two things can: the majorities over three raters or more of a prompt, and one person's own
votes on pairs of three completions. Both are held against the null of noisy transitive annotators: utilities
u ~ N(0, s²), each rater orders u plus Gumbel noise (Plackett and Luce's model; votes draw the noise anew), with s such
that two of them agree as often as people did. By the model's closure under subsets three completions are enough.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy

from annotation.bootstrap import MINIMUM, Figure, Floats, ratio_figure, sums
from annotation.outcomes import Ints, Outcomes

NEWEST = 2000  # prompts looked at
MOST = 15  # completions of a prompt: a file may have thousands, and triples grow with the cube
_TRIPLES = 20_000
_NODES, _MASSES = np.polynomial.hermite_e.hermegauss(41)


@dataclass(frozen=True)
class Cycles:
    """``share`` of cyclic triples among those where all three are decided, n = prompts; ``expected`` under the null.

    ``above`` says that the whole interval lies above what is expected.
    """

    share: Figure | None
    expected: float | None
    cyclic: int
    triples: int
    above: bool


@dataclass(frozen=True)
class _Relation:
    """Who beats whom in one prompt: completions by local index, ``margin`` > 0 where the first is above."""

    prompt: int
    raters: int
    low: Ints
    high: Ints
    margin: Ints


def majority_cycles(pairs: Outcomes, agreement: float | None, *, seed: int = 0, minimum: int = MINIMUM) -> Cycles:
    """Of the majorities over raters; ``agreement`` is pairwise agreement, without which there is no null."""
    return _cycles(_majorities(pairs), agreement, votes=False, seed=seed, minimum=minimum)


def vote_cycles(
    pairs: Outcomes, sizes: Ints, agreement: float | None, *, seed: int = 0, minimum: int = MINIMUM
) -> Cycles:
    """Of each person's own votes; ``sizes`` [n] are the completions of each entry's ranking: two, for a vote."""
    return _cycles(_votes(pairs.rows(np.flatnonzero(sizes == 2))), agreement, votes=True, seed=seed, minimum=minimum)


def _cycles(relations: Iterable[_Relation], agreement: float | None, *, votes: bool, seed: int, minimum: int) -> Cycles:
    found = [(one.prompt, one.raters, *_count(one)) for one in relations]
    found = [row for row in found if row[3]]
    if not found:
        return Cycles(None, None, 0, 0, False)
    prompt, raters, cyclic, triples = np.array(found).T
    names, code = np.unique(prompt, return_inverse=True)
    top, bottom = sums(code, cyclic, len(names)), sums(code, triples, len(names))
    share = ratio_figure(top, bottom, seed=seed, minimum=minimum)
    expected = None
    if agreement is not None:
        spread = spread_of(agreement)
        rates = {size: null_rate(spread, size, votes=votes, seed=seed) for size in np.unique(raters).tolist()}
        expected = float(sum(rates[size] * count for size, count in zip(raters, triples, strict=True)) / triples.sum())
    above = share is not None and expected is not None and share.low > expected
    return Cycles(share, expected, int(cyclic.sum()), int(triples.sum()), above)


def spread_of(agreement: float) -> float:
    """The s at which two noisy people agree so often: ½ + 2 E[(σ(d) - ½)²], d ~ N(0, 2 s²)."""
    weights = _MASSES / _MASSES.sum()

    def expected(spread: float) -> float:
        return 0.5 + 2 * float(weights @ (scipy.special.expit(math.sqrt(2) * spread * _NODES) - 0.5) ** 2)

    if agreement <= 0.5:
        return 0.0
    return float(scipy.optimize.brentq(lambda spread: expected(spread) - min(agreement, expected(20) - 1e-9), 0, 20))


def null_rate(spread: float, raters: int, *, votes: bool, seed: int = 0) -> float:
    """Cyclic among decided triples of noisy transitive people: ``raters`` of them, or one who votes on each pair."""
    rng = np.random.default_rng(seed)
    utility = rng.normal(0, spread, size=(_TRIPLES, 1, 3)) if spread else np.zeros((_TRIPLES, 1, 3))
    if votes:
        gaps = utility[:, 0] - np.roll(utility[:, 0], -1, axis=1)  # a - b, b - c, c - a
        margin = np.where(rng.random((_TRIPLES, 3)) < scipy.special.expit(gaps), 1, -1)
    else:
        score = utility + rng.gumbel(size=(_TRIPLES, raters, 3))
        margin = np.sign(score - np.roll(score, -1, axis=2)).sum(axis=1).astype(np.int64)
    decided = (margin != 0).all(axis=1)
    return float((np.abs(np.sign(margin[decided]).sum(axis=1)) == 3).mean()) if decided.any() else 0.0


def _count(one: _Relation) -> tuple[int, int]:
    """(cyclic, decided) triples."""
    ids, codes = np.unique(np.concatenate([one.low, one.high]), return_inverse=True)
    size = len(ids)
    if not 3 <= size <= MOST:
        return 0, 0
    above: Floats = np.zeros((size, size))
    low, high = codes[: len(one.low)], codes[len(one.low) :]
    np.add.at(above, (low, high), one.margin)
    beats = ((above - above.T) > 0).astype(np.int64)
    decided = beats + beats.T
    return int(np.trace(beats @ beats @ beats)) // 3, int(np.trace(decided @ decided @ decided)) // 6


def _majorities(pairs: Outcomes) -> Iterable[_Relation]:
    for prompt, where in _split(pairs.prompt):
        raters = len(np.unique(pairs.annotator[where]))
        if raters >= 3:
            yield _Relation(prompt, raters, pairs.low[where], pairs.high[where], pairs.outcome[where])


def _votes(pairs: Outcomes) -> Iterable[_Relation]:
    for prompt, where in _split(pairs.prompt):
        for person in np.unique(pairs.annotator[where]).tolist():
            mine = where[pairs.annotator[where] == person]
            yield _Relation(prompt, 1, pairs.low[mine], pairs.high[mine], pairs.outcome[mine])


def _split(prompt: Ints) -> Iterable[tuple[int, Ints]]:
    """The newest prompts with the entries of each."""
    names, code = np.unique(prompt, return_inverse=True)
    order = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[order], np.arange(len(names) + 1))
    for index in range(max(0, len(names) - NEWEST), len(names)):
        yield int(names[index]), order[bounds[index] : bounds[index + 1]]
