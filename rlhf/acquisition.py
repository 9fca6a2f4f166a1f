"""What to label next: prompts whose rankings would teach a reward ensemble most, and not all the same thing.

BALD (Houlsby et al. 2011) is what the label of a pair says about the model: the entropy of the members' mean
probability less the mean of their entropies. Plain entropy would also ask about pairs that are alike, which no label
settles. The best prompts by BALD alone tend to ask one question many times, so each choice counts less the more its
pairs point in the directions of those chosen before.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, expit

from rlhf.near_duplicates import distinct_first, repeats
from rlhf.reward_model import RewardEnsemble

Floats = NDArray[np.float64]


def bald(logits: Floats) -> Floats:
    """Mutual information in nats [P] between a pair's label and the model, from the members' reward gaps [M, P].

    H(mean σ) − mean H(σ), from 0 (all members agree, however unsure) to ln 2.
    """
    chances = expit(np.asarray(logits, dtype=float))
    mean = chances.mean(axis=0)
    found: Floats = entr(mean) + entr(1 - mean) - (entr(chances) + entr(1 - chances)).mean(axis=0)
    return np.maximum(found, 0.0)  # rounding may leave −1e-17


def informativeness(
    ensemble: RewardEnsemble, prompts: Sequence[str], completions: Sequence[Sequence[str]]
) -> list[float]:
    """Mean BALD in nats over the pairs of each prompt's completions, those alike to an earlier one left out.

    A prompt without two different texts teaches nothing: 0. Raises ValueError for an ensemble of one member, which
    cannot disagree with itself, and PromptTooLong for a text that does not fit.
    """
    kept = _different(completions)
    rewards = _rewards(ensemble, prompts, kept)
    return [float(bald(_gaps(rows)).mean()) if rows.shape[1] > 1 else 0.0 for rows in rewards]


def acquisition_order(
    ensemble: RewardEnsemble, prompts: Sequence[str], completions: Sequence[Sequence[str]], count: int
) -> list[int]:
    """Places of the ``count`` prompts to label next, best first, chosen one by one.

    Each choice has the largest BALD · (1 − s), where s is how far its pairs point where those of a chosen prompt do:
    the largest mean squared cosine between differences of last-layer states. Errors as of ``informativeness``.
    """
    kept = _different(completions)
    worth = np.array([
        bald(_gaps(rows)).mean() if rows.shape[1] > 1 else 0.0 for rows in _rewards(ensemble, prompts, kept)
    ])  # fmt: skip
    directions = [_directions(states) for states in ensemble.states(prompts, kept)]
    return diverse_order(worth, directions, count)


def diverse_order(worth: Floats, directions: Sequence[Floats], count: int) -> list[int]:
    """The greedy choice behind ``acquisition_order``: ``worth`` [N], unit vectors [pairs, D] of each prompt."""
    size = max((len(own) for own in directions), default=0)
    width = max((own.shape[1] for own in directions), default=0)
    table = np.zeros((len(directions), size, width))  # [N, pairs, D]; missing pairs are zero vectors
    for place, own in enumerate(directions):
        table[place, : len(own)] = own
    pairs = np.array([max(1, len(own)) for own in directions])
    covered, left = np.zeros(len(worth)), np.ones(len(worth), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < min(count, len(worth)):
        gain = np.where(left, worth * (1 - covered), -1.0)
        best = int(gain.argmax())
        chosen.append(best)
        left[best] = False
        cosines = table @ table[best].T  # [N, pairs, pairs of best]
        covered = np.maximum(covered, (cosines**2).sum(axis=(1, 2)) / (pairs * pairs[best]))
    return chosen


def _different(completions: Sequence[Sequence[str]]) -> list[list[str]]:
    kept = []
    for texts in completions:
        places = distinct_first(texts, len(texts) - len(repeats(texts)))
        kept.append([texts[place] for place in sorted(places)])
    return kept


def _rewards(ensemble: RewardEnsemble, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> list[Floats]:
    """Raw rewards [members, K] of each prompt: their differences are the logits that the members were trained on."""
    names = ensemble.scorers
    if len(names) < 2:
        raise ValueError(f"The reward model has {len(names)} scoring member: it takes two to disagree.")
    flat = ensemble.raw(names, prompts, completions).double().numpy()
    ends = np.cumsum([len(texts) for texts in completions])
    return np.split(flat, ends[:-1], axis=1) if len(ends) else []


def _gaps(rewards: Floats) -> Floats:
    """[M, K] -> [M, pairs]."""
    first, second = np.triu_indices(rewards.shape[1], k=1)
    gaps: Floats = rewards[:, first] - rewards[:, second]
    return gaps


def _directions(states: Floats) -> Floats:
    """Unit differences [pairs, D] of last-layer states [K, D]; of equal states, the zero vector."""
    pairs = list(combinations(range(len(states)), 2))
    rows = np.array([states[one] - states[other] for one, other in pairs]).reshape(len(pairs), states.shape[1])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return found
