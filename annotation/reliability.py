"""How reliable each annotator is, from the pairs that several of them judged: who guesses, inverts or clicks down.

P(a puts i above j) = σ(γ_a d + b_a s), d = u_i − u_j ~ N(0, spread²) for each pair, s = +1 where i stood earlier on
the page, −1 where later, 0 where that is not known. Priors: γ ~ N(1, ½²), b ~ N(0, 1), log spread ~ N(log 2, ¼²): a
free spread goes to 0 in a panel that agrees on little, and every γ stays at 1 then. The unknown d of a pair is
integrated out by Gauss–Hermite quadrature: at the most probable point of γ and d together, γ would grow with the
number of prompts. A tie counts half for each side. The pairs of one ranking of K completions weigh 2 / K each: K − 1
independent answers, however many pairs. The most probable point is found by L-BFGS.

The learning side weighs labels by a model of the same family (``rlhf.reliability``), without the page's order, which a
snapshot does not hold; the two layers are siblings and neither may import the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from annotation.bootstrap import Figure, Floats
from annotation.outcomes import Ints, Outcomes, Ranked, Shared, pair_outcomes, shared_units

MINIMUM_TASKS = 30  # shared tasks before anybody is judged
GUESSING, HARDLY_MORE = 0.3, 0.05
LEANING, LEANING_SURELY = 1.0, 0.5
NEWEST = 150  # shared tasks of each annotator that the fit looks at
GAMMA_MEAN, GAMMA_SD, BIAS_SD = 1.0, 0.5, 1.0
SPREAD, LOG_SPREAD_SD = 2.0, 0.25
_NODES, _MASSES = np.polynomial.hermite_e.hermegauss(21)  # of the standard normal
_LOG_MASSES = np.log(_MASSES / _MASSES.sum())


@dataclass(frozen=True)
class Reliability:
    """One annotator. ``gamma`` and ``bias`` have 95 % intervals and n = shared tasks; None below 30 of them.

    ``bias`` is None too where no display order is known. ``flags`` hold "inverted", "close to guessing" and
    "position bias".
    """

    shared: int
    gamma: Figure | None
    bias: Figure | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """One entry [n] for each answer to a pair that several people judged; ``pair`` rises.

    ``win`` is 1 where the pair's first side won, 0 where it lost, ½ for a tie; ``side`` is s above; ``weight`` [pairs].
    """

    pair: Ints
    annotator: Ints
    prompt: Ints
    win: Floats
    side: Floats
    weight: Floats
    people: int


def reliabilities(
    pairs: Outcomes, shared: Shared, *, minimum: int = MINIMUM_TASKS, newest: int = NEWEST
) -> dict[str, Reliability]:
    """By annotator, everybody who ranked; those below ``minimum`` shared tasks are counted and not judged.

    A prompt is a shared task of everybody who ranked it together with another. Of very many the
    ``newest`` prompts of each person are looked at.
    """
    people = pairs.annotator[shared.entry]
    seen = np.unique(np.stack([people, shared.prompt[shared.unit]]), axis=1)
    counts = np.bincount(seen[0], minlength=len(pairs.names))
    judged = counts >= minimum
    if not judged.any():
        return {name: Reliability(int(count), None, None, ()) for name, count in zip(pairs.names, counts, strict=True)}
    answers = shared_answers(pairs, shared, _kept(seen, len(pairs.names), newest))
    point = most_probable(answers)
    errors = standard_errors(point, answers)
    sided = np.bincount(answers.annotator, weights=np.abs(answers.side), minlength=answers.people) > 0
    found = {}
    for index, name in enumerate(pairs.names):
        n = int(counts[index])
        if not judged[index]:
            found[name] = Reliability(n, None, None, ())
            continue
        gamma = _figure(float(point[index]), float(errors[index, 0]), n)
        bias = _figure(float(point[answers.people + index]), float(errors[index, 1]), n) if sided[index] else None
        found[name] = Reliability(n, gamma, bias, flags_of(gamma, bias))
    return found


def group_reliabilities(rankings: Sequence[Ranked], pairs: Outcomes, shared: Shared) -> dict[str, Reliability]:
    """``reliabilities``, each group of raters (experts, crowd) by itself; of who is in two, where they share most.

    Together, a larger crowd that sees it otherwise would make guessers of experts who agree with each other.
    """
    own: dict[str, list[Ranked]] = {}
    for ranked in rankings:
        own.setdefault(ranked.rater_group, []).append(ranked)
    if len(own) < 2:
        return reliabilities(pairs, shared)
    found: dict[str, Reliability] = {}
    for members in own.values():
        table = pair_outcomes(members)
        for name, one in reliabilities(table, shared_units(table)).items():
            if name not in found or one.shared > found[name].shared:
                found[name] = one
    return found


def flags_of(gamma: Figure, bias: Figure | None) -> tuple[str, ...]:
    """What is worth a look: γ below 0.3 and perhaps guessing, or surely below 0; |b| above 1 and surely above ½.

    Who is weak, but surely above guessing, is none of these: in a panel of people who are right on 60 to 90 % of pairs,
    the weakest have a γ of 0.2.
    """
    flags = []
    if gamma.value < GUESSING and gamma.low < HARDLY_MORE:
        flags.append("inverted" if gamma.high < 0 else "close to guessing")
    if bias is not None and abs(bias.value) > LEANING and max(bias.low, -bias.high) > LEANING_SURELY:
        flags.append("position bias")
    return tuple(flags)


def shared_answers(pairs: Outcomes, shared: Shared, kept: NDArray[np.bool_] | None = None) -> Answers:
    """The answers to shared pairs, of the ``kept`` [prompts] alone where given."""
    chosen = np.ones(len(shared.entry), dtype=bool) if kept is None else kept[shared.prompt[shared.unit]]
    entry = shared.entry[chosen]
    units, pair = np.unique(shared.unit[chosen], return_inverse=True)
    order = np.argsort(pair, kind="stable")
    entry, pair = entry[order], pair[order]
    prompt = shared.prompt[units]
    each = np.bincount(prompt)[prompt]  # pairs of the prompt, K (K - 1) / 2
    size = (1 + np.sqrt(1 + 8 * each)) / 2
    return Answers(
        pair=pair,
        annotator=pairs.annotator[entry],
        prompt=prompt[pair],
        win=(pairs.outcome[entry] + 1) / 2,
        side=pairs.shown[entry].astype(np.float64),
        weight=2 / size,
        people=len(pairs.names),
    )


def most_probable(answers: Answers) -> Floats:
    """(γ [people], b [people], log spread) where the posterior is highest, from γ = 1 and b = 0."""
    start = np.concatenate([np.full(answers.people, GAMMA_MEAN), np.zeros(answers.people), [math.log(SPREAD)]])
    found = scipy.optimize.minimize(
        negative_log_posterior,
        start,
        args=(answers,),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 200, "ftol": 1e-8},
    )
    point: Floats = found.x
    return point


def negative_log_posterior(point: Floats, answers: Answers) -> tuple[float, Floats]:
    """Its value and gradient at (γ, b, log spread)."""
    gamma, bias, log_spread = point[: answers.people], point[answers.people : -1], float(point[-1])
    gaps, after, residual, total = _posterior(point, answers)
    slopes = answers.weight[answers.pair, None] * after[answers.pair] * residual  # [n, Q]
    by_gamma = np.bincount(answers.annotator, weights=slopes @ gaps, minlength=answers.people)
    by_bias = np.bincount(answers.annotator, weights=slopes.sum(axis=1) * answers.side, minlength=answers.people)
    by_spread = float(gamma[answers.annotator] @ (slopes @ gaps))
    shift, stretch = (gamma - GAMMA_MEAN) / GAMMA_SD, (log_spread - math.log(SPREAD)) / LOG_SPREAD_SD
    lean = bias / BIAS_SD
    value = -float(answers.weight @ total) + 0.5 * float(shift @ shift + lean @ lean) + 0.5 * stretch**2
    return value, np.concatenate(
        [shift / GAMMA_SD - by_gamma, lean / BIAS_SD - by_bias, [stretch / LOG_SPREAD_SD - by_spread]]
    )


def standard_errors(point: Floats, answers: Answers) -> Floats:
    """Of (γ, b) [people, 2]: the larger of H⁻¹ and the sandwich H⁻¹ J H⁻¹ of each person, the others' values as known.

    H is the observed information (Louis 1982) with the prior's, J the outer products of the scores, summed within
    prompts: it counts the pairs of a prompt as dependent. Of who ties everything J is 0, which is no certainty.
    """
    gaps, after, residual, _ = _posterior(point, answers)
    own, side, weight = after[answers.pair], answers.side, answers.weight[answers.pair]
    scores = np.stack([(own * residual) @ gaps, (own * residual).sum(axis=1) * side], axis=1)  # [n, 2]
    # E[complete information] - Var[complete score], over the posterior of the gap.
    bend = own * (
        scipy.special.expit(_logits(point, answers)) * scipy.special.expit(-_logits(point, answers)) - residual**2
    )
    cells = (bend @ gaps**2, (bend @ gaps) * side, bend.sum(axis=1) * side**2)
    crossed = (scores[:, 0] ** 2, scores[:, 0] * scores[:, 1], scores[:, 1] ** 2)
    information = [
        np.bincount(answers.annotator, weights=weight * (cell + score), minlength=answers.people)
        for cell, score in zip(cells, crossed, strict=True)
    ]
    informed = np.stack([information[0], information[1], information[1], information[2]], axis=1).reshape(-1, 2, 2)
    informed += np.diag([GAMMA_SD**-2, BIAS_SD**-2])
    keys, code = np.unique(answers.annotator * (answers.prompt.max() + 1) + answers.prompt, return_inverse=True)
    summed = np.stack([np.bincount(code, weights=weight * column, minlength=len(keys)) for column in scores.T], axis=1)
    owner = keys // (answers.prompt.max() + 1)
    outer = np.zeros((answers.people, 2, 2))
    np.add.at(outer, owner, summed[:, :, None] * summed[:, None, :])
    inverse = np.linalg.pinv(informed)
    variances: Floats = np.maximum(inverse, inverse @ outer @ inverse)
    errors: Floats = np.sqrt(np.diagonal(variances, axis1=1, axis2=2))
    return errors


def _logits(point: Floats, answers: Answers) -> Floats:
    gamma, bias = point[: answers.people], point[answers.people : -1]
    gaps = math.exp(float(point[-1])) * _NODES
    logits: Floats = gamma[answers.annotator, None] * gaps + (bias[answers.annotator] * answers.side)[:, None]
    return logits


def _posterior(point: Floats, answers: Answers) -> tuple[Floats, Floats, Floats, Floats]:
    """Gaps [Q], their posterior [pairs, Q], win − P(win) [n, Q] and log P(all answers to the pair) [pairs]."""
    logits = _logits(point, answers)
    win = answers.win[:, None]
    each = win * scipy.special.log_expit(logits) + (1 - win) * scipy.special.log_expit(-logits)
    starts = np.flatnonzero(np.diff(answers.pair, prepend=-1))  # the answers to a pair stand together
    joint = np.add.reduceat(each, starts, axis=0) + _LOG_MASSES
    total = scipy.special.logsumexp(joint, axis=1)
    return math.exp(float(point[-1])) * _NODES, np.exp(joint - total[:, None]), win - scipy.special.expit(logits), total


def _kept(seen: Ints, people: int, newest: int) -> NDArray[np.bool_]:
    """Which prompts the fit looks at: from the newest on, while one of those who ranked it has fewer than enough.

    ``seen`` [2, m] are the distinct (person, prompt). Prompt ids rise with time.
    """
    prompts = int(seen[1].max()) + 1
    order = np.argsort(seen[1], kind="stable")
    bounds = np.searchsorted(seen[1][order], np.arange(prompts + 1))
    who = seen[0][order]
    kept, had = np.zeros(prompts, dtype=bool), np.zeros(people, dtype=np.int64)
    for prompt in range(prompts - 1, -1, -1):
        present = who[bounds[prompt] : bounds[prompt + 1]]
        if (had[present] < newest).any():
            kept[prompt] = True
            had[present] += 1
    return kept


def _figure(value: float, error: float, n: int) -> Figure:
    return Figure(value, value - 1.96 * error, value + 1.96 * error, n)
