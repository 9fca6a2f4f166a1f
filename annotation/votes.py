"""Votes on two responses as they are: first, second or tie. Nominal alpha over all voters, kappa for each two."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from annotation.bootstrap import MINIMUM, RESAMPLES, Figure
from annotation.measures import alpha_figure, kappa_figure
from annotation.outcomes import Outcomes, Ranked

MAX_RATERS = 40  # 780 pairs of people: more is a table nobody reads


@dataclass(frozen=True)
class Votes:
    """``cohen_kappa`` is keyed "1-2" by the voters' places in ``raters``, from 1; n = prompts."""

    alpha_nominal: Figure | None
    cohen_kappa: dict[str, Figure | None]
    raters: tuple[str, ...]
    items: int  # pairs of responses that somebody voted on


def votes(
    rankings: Sequence[Ranked],
    pairs: Outcomes,
    *,
    seed: int = 0,
    minimum: int = MINIMUM,
    resamples: int = RESAMPLES,
) -> Votes:
    """Of the rankings of two completions. The first of two is the first of its file, else the one with the smaller id.

    Kappa is given for every two people with enough common prompts; of more than 40 voters only alpha.
    """
    two = np.array([sum(map(len, ranked.groups)) == 2 and not ranked.best_worst for ranked in rankings], dtype=bool)
    mask = two[pairs.ranking]
    if not mask.any():
        return Votes(None, {}, (), 0)
    low, high, prompt = pairs.low[mask], pairs.high[mask], pairs.prompt[mask]
    keys = np.stack([prompt, low, high], axis=1)
    items, item = np.unique(keys, axis=0, return_inverse=True)
    item = item.reshape(-1)
    present, person = np.unique(pairs.annotator[mask], return_inverse=True)
    # One text may come first in one comparison and second in another: votes count as they were asked.
    first = np.array([-1 if ranked.first is None else ranked.first for ranked in rankings])[pairs.ranking[mask]]
    vote = np.where(first == high, -1, 1) * pairs.outcome[mask] + 1
    who = item * len(present) + person
    last = len(who) - 1 - np.unique(who[::-1], return_index=True)[1]  # of two votes of one person, the later
    item, person, vote = item[last], person[last], vote[last]
    counts = np.bincount(item * 3 + vote, minlength=3 * len(items)).reshape(-1, 3)
    figure = alpha_figure(
        counts, items[:, 0], np.arange(3.0), "nominal", seed=seed, minimum=minimum, resamples=resamples
    )
    names = [pairs.names[index] for index in present]
    order = sorted(range(len(names)), key=lambda index: _natural(names[index]))
    kappas: dict[str, Figure | None] = {}
    if len(order) <= MAX_RATERS:
        said = np.full((len(names), len(items)), -1, dtype=np.int64)
        said[person, item] = vote
        for (place, one), (further, other) in combinations(enumerate(order, start=1), 2):
            both = (said[one] >= 0) & (said[other] >= 0)
            if both.any():
                kappas[f"{place}-{further}"] = kappa_figure(
                    said[one, both], said[other, both], items[both, 0], 3, seed=seed, minimum=minimum
                )
    return Votes(figure, kappas, tuple(names[index] for index in order), len(items))


def _natural(name: str) -> list[int | str]:
    """rater2 before rater10: every second part is a number."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", name))]
