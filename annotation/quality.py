"""How far the labels can be trusted: every figure of the quality page, from one table of pair outcomes.

Pure functions over plain data: no database and no torch, so selectors, commands and tests call
them alike. 100,000 rankings take about six CPU seconds. A figure is None where fewer than ``minimum``
independent units stand behind it. Kendall's W is left out on purpose: it is 0.33 at pure chance
for three raters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.agreement import (
    Agreement,
    Band,
    Group,
    Pairwise,
    Stretch,
    Together,
    agreement,
    annotator_pairs,
    ceiling,
    groups,
    over_time,
    pairwise_of,
    shared_agreement,
)
from annotation.annotators import (
    AnnotatorFigures,
    Evidence,
    PositionBias,
    Results,
    Speed,
    annotator_figures,
    position_bias,
    position_of,
    share_figure,
    skip_rate,
    speed,
)
from annotation.bootstrap import MINIMUM, RESAMPLES, Figure
from annotation.criteria import Criterion, Ratings, criteria
from annotation.cycles import Cycles, majority_cycles, vote_cycles
from annotation.gold_and_repeats import Consistency
from annotation.outcomes import Ranked, pair_outcomes, shared_units
from annotation.reading import Haste
from annotation.votes import Votes, votes

__all__ = [
    "Agreement",
    "AnnotatorFigures",
    "Band",
    "Evidence",
    "Figure",
    "Pairwise",
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
class Quality:
    """All of it for one set of rankings; ``ties`` is the share of tied pairs, n = rankings.

    ``skipped`` is that of the tasks handed out here, n = tasks.
    ``shared_prompts`` were ranked by two people or more; ``pairs_of_annotators`` counts the pairs
    of people of which ``by_annotator_pair`` lists those with the most prompts.
    """

    rankings: int
    prompts: int
    shared_prompts: int
    comparisons: int
    pairwise_agreement: Pairwise | None
    alpha_pairs: Figure | None
    criteria: dict[str, Criterion]
    groups: dict[str, Group]
    votes: Votes
    ceiling: Band | None
    over_time: tuple[Stretch, ...]
    by_annotator_pair: tuple[Together, ...]
    pairs_of_annotators: int
    position: PositionBias | None
    ties: Figure | None
    skipped: Figure | None
    speed: Speed | None
    haste: Haste | None
    consistency: Consistency | None
    majority_cycles: Cycles
    vote_cycles: Cycles
    annotators: tuple[AnnotatorFigures, ...]


def quality(
    rankings: Sequence[Ranked],
    ratings: Ratings | None = None,
    evidence: Evidence | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    minimum: int = MINIMUM,
) -> Quality:
    """Every figure: of the labels (rankings and their ratings), and of the tests of those who gave them."""
    ratings = ratings or Ratings()
    pairs = pair_outcomes(rankings)
    shared = shared_units(pairs)
    found = shared_agreement(shared, seed=seed, resamples=resamples, minimum=minimum)
    everything = np.ones(len(pairs.low), dtype=bool)
    tests = Results.of(evidence or Evidence(), seed=seed, minimum=minimum)
    sizes = np.array([sum(map(len, ranked.groups)) for ranked in rankings], dtype=np.int64)[pairs.ranking]
    agreed = found.pairwise.value if found.pairwise else None
    together, all_pairs = annotator_pairs(pairs, shared, seed=seed, minimum=minimum)
    return Quality(
        rankings=len(rankings),
        prompts=len({ranked.prompt for ranked in rankings}),
        shared_prompts=found.prompts,
        comparisons=found.comparisons,
        pairwise_agreement=pairwise_of(found),
        alpha_pairs=found.alpha,
        criteria=criteria(ratings, seed=seed, resamples=resamples, minimum=minimum),
        groups=groups(rankings, ratings, seed=seed, resamples=resamples, minimum=minimum),
        votes=votes(rankings, pairs, seed=seed, resamples=resamples, minimum=minimum),
        ceiling=ceiling(found.pairwise) if found.pairwise else None,
        over_time=over_time(rankings, pairs, shared, seed=seed, minimum=minimum),
        by_annotator_pair=together,
        pairs_of_annotators=all_pairs,
        position=position_of(pairs, everything, seed=seed, minimum=minimum),
        ties=share_figure(pairs.ranking, pairs.outcome == 0, everything, seed=seed, minimum=minimum),
        skipped=skip_rate(rankings, tests.skips.total(), minimum=minimum),
        speed=speed(rankings, minimum=minimum),
        haste=tests.haste.get(""),
        consistency=tests.consistency.get(""),
        majority_cycles=majority_cycles(pairs, agreed, seed=seed, minimum=minimum),
        vote_cycles=vote_cycles(pairs, sizes, agreed, seed=seed, minimum=minimum),
        annotators=annotator_figures(rankings, pairs, shared, tests, seed=seed, minimum=minimum),
    )
