"""Simulated annotators: a hidden utility, seen through Bradley–Terry noise.

An annotator ranks by u + T·g with g standard Gumbel, which is Plackett–Luce: between two completions the better one
wins with probability σ((u_i − u_j)/T) exactly (Luce 1959; Yellott 1977). Two noisy utilities nearer than a margin are
a tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rlhf.rouge import rouge
from rlhf.statistics import bootstrap_mean, bootstrap_ratio
from rlhf.toy_judge import Judgement, toy_utility
from rlhf.types import Interval

__all__ = [
    "Annotator",
    "Groups",
    "Judgement",
    "bayes_accuracy",
    "groups_shuffled",
    "pair_accuracy",
    "reference_utility",
    "simulated_ranking",
    "toy_utility",
    "true_win_rate",
]

Groups = tuple[tuple[int, ...], ...]
REFERENCE_SCALE = 20.0
"""Utility of ROUGE 1.0: the sd of ROUGE among one prompt's samples, about 0.08, becomes 1.6 times the noise."""


@dataclass(frozen=True)
class Annotator:
    """How one annotator errs: ``temperature`` T of the noise, ``tie_margin`` on the noisy utilities, in utility."""

    temperature: float = 1.0
    tie_margin: float = 0.25

    @classmethod
    def numbered(cls, index: int, *, seed: int = 0) -> "Annotator":
        """The ``index``-th of a team whose temperatures differ by about 15 %."""
        return cls(temperature=float(np.exp(0.15 * np.random.default_rng([seed, index]).standard_normal())))


def reference_utility(references: Sequence[str], text: str) -> float:
    """Utility of a summary that can only be held against references: mean F1 of ROUGE-1, -2 and -L, best reference."""
    scores = rouge(text, references)
    return REFERENCE_SCALE * float(np.mean([scores[name].best for name in ("rouge1", "rouge2", "rougeL")]))


def simulated_ranking(utilities: Sequence[float], *, annotator: Annotator, rng: np.random.Generator) -> Groups:
    """Groups of indices, best first. A group holds what is within the margin of its best member."""
    noisy = np.asarray(utilities, dtype=float) + annotator.temperature * rng.gumbel(size=len(utilities))
    groups: list[list[int]] = []
    for index in np.argsort(-noisy, kind="stable").tolist():
        if groups and noisy[groups[-1][0]] - noisy[index] < annotator.tie_margin:
            groups[-1].append(index)
        else:
            groups.append([index])
    return tuple(tuple(group) for group in groups)


def groups_shuffled(groups: Groups, rng: np.random.Generator) -> Groups:
    """The same places given to the completions by lot: a ranking without information."""
    lot = rng.permutation(sum(len(group) for group in groups)).tolist()
    return tuple(tuple(lot[index] for index in group) for group in groups)


def pair_accuracy(scores: Sequence[Sequence[float]], rankings: Sequence[Groups], *, seed: int = 0) -> Interval:
    """Share of the rankings' pairs that ``scores`` order as they do; ties left out, equal scores ½.

    The interval resamples rankings (one for each prompt); n counts those with a pair.
    """
    right, total = [], []
    for row, groups in zip(scores, rankings, strict=True):
        signs = [np.sign(row[better] - row[worse]) for better, worse in _pairs(groups)]
        right.append(float(sum((sign + 1) / 2 for sign in signs)))
        total.append(len(signs))
    return bootstrap_ratio(right, total, seed)


def bayes_accuracy(
    utilities: Sequence[Sequence[float]], rankings: Sequence[Groups], annotators: Sequence[Annotator], *, seed: int = 0
) -> Interval:
    """Expected accuracy, on the same pairs, of who knows the utilities and not the noise: nobody can be better.

    For a pair that is no tie P(i above j) = σ((d − m)/T) / (σ((d − m)/T) + σ((−d − m)/T)), d = u_i − u_j, m the
    margin; the best predictor says the sign of d and is right with max(p, 1 − p).
    """
    right, total = [], []
    for row, groups, annotator in zip(utilities, rankings, annotators, strict=True):
        gaps = np.array([row[better] - row[worse] for better, worse in _pairs(groups)], dtype=float)
        right.append(float(_best(gaps, annotator).sum()))
        total.append(len(gaps))
    return bootstrap_ratio(right, total, seed)


def true_win_rate(ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0) -> Interval:
    """Share of prompts on which the first text's utility is the higher one, without noise; ties ½."""
    gaps = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    return bootstrap_mean((np.sign(gaps) + 1) / 2, seed)


def _best(gaps: NDArray[np.float64], annotator: Annotator) -> NDArray[np.float64]:
    above = expit((np.abs(gaps) - annotator.tie_margin) / annotator.temperature)
    below = expit((-np.abs(gaps) - annotator.tie_margin) / annotator.temperature)
    best: NDArray[np.float64] = above / (above + below)
    return best


def _pairs(groups: Groups) -> list[tuple[int, int]]:
    """(better, worse) of every pair that is no tie."""
    return [
        (better, worse)
        for place, group in enumerate(groups)
        for better in group
        for lower in groups[place + 1 :]
        for worse in lower
    ]
