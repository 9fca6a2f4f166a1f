"""How reliable each annotator is, from the pairs that several of them judged.

P(a puts i above j) = σ(γ_a d) with d = u_i − u_j ~ N(0, s²) for every pair and γ_a ~ N(1, ½²). A coin has γ near 0, who
ranks upside down a negative one. The unknown d of each pair is integrated out, by Gauss–Hermite quadrature: at the most
probable point of γ and u together, γ would grow with the number of prompts. (The design's model has a bias for the
place on the page too; a snapshot does not hold that place.)
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

from rlhf.agreement import pair_signs
from rlhf.exceptions import DataError
from rlhf.types import Ranking

GAMMA_MEAN, GAMMA_SD = 1.0, 0.5
SPREAD, LOG_SPREAD_SD = 2.0, 1.0  # prior of s, log-normal
_NODES, _MASSES = np.polynomial.hermite_e.hermegauss(31)  # of the standard normal
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Reliability:
    """One annotator: γ, the weight of each of their rankings in training, and how many those are."""

    gamma: float
    weight: float
    rankings: int


@dataclass(frozen=True)
class Answers:
    """Pairs that at least two annotators judged: one entry [n] for each answer, ``weight`` [pairs]."""

    pair: Ints  # rising
    annotator: Ints
    wins: Floats  # 1 where the first text won, 0 where it lost, ½ for a tie
    weight: Floats  # 2 / K: a ranking of K texts counts as K − 1 independent answers, however many pairs it has
    names: tuple[str, ...]


def reliabilities(rankings: Sequence[Ranking]) -> dict[str, Reliability]:
    """γ and weight by annotator. Weights are max(γ, 0), scaled to mean 1 over ``rankings``.

    To first order a label is γ_a times the signal plus noise of one size, so weights in proportion to γ lose the least
    information. Who shares no pair with another keeps the prior's γ = 1. Raises DataError where nobody shares one, or
    where nobody is better than a coin.
    """
    answers = shared_answers(rankings)
    gammas = dict(zip(answers.names, most_probable(answers).tolist(), strict=True))
    counts = Counter(ranking.annotator for ranking in rankings)
    known = {name: gammas.get(name, GAMMA_MEAN) for name in counts}
    mean = sum(max(known[name], 0.0) * count for name, count in counts.items()) / len(rankings)
    if mean <= 0:
        raise DataError("No annotator is more reliable than a coin: there is nothing to learn from their labels.")
    return {name: Reliability(known[name], max(known[name], 0.0) / mean, counts[name]) for name in sorted(counts)}


def shared_answers(rankings: Sequence[Ranking]) -> Answers:
    """The answers to pairs that several annotators judged. Raises DataError where there are none."""
    shared = [
        (prompt, pair, said)
        for prompt, pairs in pair_signs(rankings).items()
        for pair, said in pairs.items()
        if len(said) > 1
    ]
    if not shared:
        raise DataError("No pair of completions was ranked by two annotators: their reliability cannot be told.")
    names = tuple(sorted({name for _prompt, _pair, said in shared for name in said}))
    place = {name: index for index, name in enumerate(names)}
    texts = Counter(prompt for prompt, _text in {(prompt, text) for prompt, pair, _said in shared for text in pair})
    rows = [(index, name, sign) for index, (_prompt, _pair, said) in enumerate(shared) for name, sign in said.items()]
    return Answers(
        pair=np.array([row[0] for row in rows]),
        annotator=np.array([place[row[1]] for row in rows]),
        wins=np.array([(row[2] + 1) / 2 for row in rows]),
        weight=np.array([2 / texts[prompt] for prompt, _pair, _said in shared]),
        names=names,
    )


def most_probable(answers: Answers) -> Floats:
    """γ [annotators] at the most probable (γ, s), by L-BFGS from γ = 1: of γ and −γ the side of the majority."""
    start = np.append(np.full(len(answers.names), GAMMA_MEAN), math.log(SPREAD))
    found = minimize(negative_log_posterior, start, args=(answers,), jac=True, method="L-BFGS-B")
    gammas: Floats = found.x[:-1]
    return gammas


def negative_log_posterior(point: Floats, answers: Answers) -> tuple[float, Floats]:
    """Its value and gradient at ``point`` = (γ, log s); the pairs of a ranking count as if they were independent."""
    gamma, log_spread = point[:-1], float(point[-1])
    gaps = math.exp(log_spread) * _NODES  # [Q]
    wins = answers.wins[:, None]
    scale = gamma[answers.annotator][:, None]
    logits = scale * gaps  # [n, Q]
    each = wins * log_expit(logits) + (1 - wins) * log_expit(-logits)
    starts = np.flatnonzero(np.diff(answers.pair, prepend=-1))  # the answers to a pair stand together
    joint = np.add.reduceat(each, starts, axis=0) + np.log(_MASSES / _MASSES.sum())  # [pairs, Q]
    total = logsumexp(joint, axis=1)  # [pairs]: log P(all answers to the pair)
    after = answers.weight[:, None] * np.exp(joint - total[:, None])  # posterior of the gap, weighted [pairs, Q]
    slopes = after[answers.pair] * (wins - expit(logits))  # of the log-likelihood in the logit [n, Q]
    by_gamma = np.bincount(answers.annotator, weights=slopes @ gaps, minlength=len(gamma))
    by_spread = float(((slopes * scale) @ gaps).sum())
    shift, stretch = (gamma - GAMMA_MEAN) / GAMMA_SD, (log_spread - math.log(SPREAD)) / LOG_SPREAD_SD
    value = -float(answers.weight @ total) + 0.5 * float(shift @ shift) + 0.5 * stretch**2
    return value, np.append(shift / GAMMA_SD - by_gamma, stretch / LOG_SPREAD_SD - by_spread)
