"""Each annotator's figures: agreement, reliability, gold, repeats, ties, skips, the page's order and speed."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy

from annotation.bootstrap import MINIMUM, Figure, Floats, ratio_figure, sums, wilson
from annotation.gold_and_repeats import Consistency, GoldAnswer, GoldResult, Repeat, consistencies, gold_results
from annotation.outcomes import Flags, Ints, Outcomes, Ranked, Shared, pair_outcomes
from annotation.reading import Haste, Timed, hastes
from annotation.reliability import Reliability, group_reliabilities


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
class Evidence:
    """What tests the annotators beside their labels; ``skips`` names who skipped, once for each task."""

    gold: Sequence[GoldAnswer] = ()
    repeats: Sequence[Repeat] = ()
    timed: Sequence[Timed] = ()
    skips: Sequence[str] = ()
    gold_pass: float = 0.7
    gold_before_trust: int = 20


@dataclass(frozen=True)
class Results:
    """The results by annotator; "" is everybody together."""

    gold: dict[str, GoldResult] = field(default_factory=dict)
    consistency: dict[str, Consistency] = field(default_factory=dict)
    haste: dict[str, Haste] = field(default_factory=dict)
    skips: "Counter[str]" = field(default_factory=Counter)

    @classmethod
    def of(cls, evidence: Evidence, *, seed: int, minimum: int) -> "Results":
        gold = gold_results(
            evidence.gold, needed=evidence.gold_pass, before_trust=evidence.gold_before_trust, minimum=minimum
        )
        consistency = consistencies(evidence.repeats, seed=seed, minimum=minimum)
        return cls(gold, consistency, hastes(evidence.timed, minimum=minimum), Counter(evidence.skips))

    def names(self) -> set[str]:
        return {*self.gold, *self.consistency, *self.haste, *self.skips} - {""}


@dataclass(frozen=True)
class AnnotatorFigures:
    """One annotator; ``agreement`` is with the others on the same pairs, ties left out, n = prompts.

    ``ties`` is the share of tied pairs, n = rankings, ``tie_rate`` the same without an interval;
    ``skipped`` the share of tasks skipped of those handed out here. ``flags`` says why to look.
    """

    annotator: str
    rankings: int
    pairs: int
    tie_rate: float | None
    ties: Figure | None
    median_seconds: float | None
    timed: int
    agreement: Figure | None
    position: PositionBias | None
    skips: int
    skipped: Figure | None
    reliability: Reliability
    gold: GoldResult | None
    consistency: Consistency | None
    haste: Haste | None
    flags: tuple[str, ...]


def position_bias(rankings: Sequence[Ranked], *, seed: int = 0, minimum: int = MINIMUM) -> PositionBias | None:
    """Does the page's order leak into the answers? None below ``minimum`` usable rankings."""
    pairs = pair_outcomes(rankings)
    return position_of(pairs, np.ones(len(pairs.low), dtype=bool), seed=seed, minimum=minimum)


def position_of(pairs: Outcomes, mask: Flags, *, seed: int = 0, minimum: int = MINIMUM) -> PositionBias | None:
    """``position_bias`` of the masked entries."""
    earlier_above = pairs.outcome == pairs.shown
    usable = mask & (pairs.outcome != 0) & (pairs.shown != 0)
    share = share_figure(pairs.ranking, earlier_above, usable, seed=seed, minimum=minimum)
    ends = usable & pairs.ends
    trials, wins = int(ends.sum()), int((ends & earlier_above).sum())
    if share is None or trials < max(1, minimum):
        return None
    return PositionBias(share, float(scipy.stats.binomtest(wins, trials).pvalue), wins, trials)


def share_figure(units: Ints, hit: Flags, mask: Flags, *, seed: int = 0, minimum: int = MINIMUM) -> Figure | None:
    """Share of hits among the masked entries, with ``units`` (rankings) resampled whole."""
    names, unit = np.unique(units[mask], return_inverse=True)
    return ratio_figure(
        sums(unit, hit[mask], len(names)),
        sums(unit, np.ones(len(unit)), len(names)),
        seed=seed,
        minimum=minimum,
    )


def speed(rankings: Iterable[Ranked], *, minimum: int = MINIMUM) -> Speed | None:
    """Seconds as recorded by the page; rankings without a time are left out."""
    timed = [(r.duration_ms / 1000, _decided(r)) for r in rankings if r.duration_ms is not None]
    if len(timed) < max(1, minimum):
        return None
    seconds = np.array([second for second, _ in timed])
    pairs = np.array([max(1, decided) for _, decided in timed])
    p10, median, p90 = (float(x) for x in np.percentile(seconds, (10, 50, 90)))
    return Speed(median, p10, p90, float(np.median(seconds / pairs)), len(timed))


def skip_rate(rankings: Iterable[Ranked], skips: int, *, minimum: int = MINIMUM) -> Figure | None:
    """Of the tasks skipped or ranked here: an imported ranking, whose day is not known, was handed to nobody."""
    met = skips + sum(ranked.day is not None for ranked in rankings)
    return wilson(skips / met, met) if met >= max(1, minimum) else None


def _decided(ranked: Ranked) -> int:
    """How many pairs a ranking decides, ties included."""
    apart = sum(math.comb(len(group), 2) for group in ranked.groups) if ranked.best_worst else 0
    return math.comb(sum(map(len, ranked.groups)), 2) - apart


def annotator_figures(
    rankings: Sequence[Ranked],
    pairs: Outcomes,
    shared: Shared,
    tests: Results,
    *,
    seed: int = 0,
    minimum: int = MINIMUM,
) -> tuple[AnnotatorFigures, ...]:
    """One row for each person who ranked, skipped or was tested, by name."""
    same, strict = _others(pairs, shared)
    known = group_reliabilities(rankings, pairs, shared)
    own: dict[str, list[Ranked]] = {name: [] for name in sorted({*pairs.names, *tests.names()})}
    for ranked in rankings:
        own[ranked.annotator].append(ranked)
    code = {name: index for index, name in enumerate(pairs.names)}
    order = np.argsort(pairs.annotator, kind="stable")
    bounds = np.searchsorted(pairs.annotator[order], np.arange(len(pairs.names) + 1))
    figures = []
    for name, mine in own.items():
        index = code.get(name)
        entries = order[:0] if index is None else order[bounds[index] : bounds[index + 1]]
        just = pairs.rows(entries)
        everything = np.ones(len(entries), dtype=bool)
        prompts, prompt = np.unique(just.prompt, return_inverse=True)
        seconds = [ranked.duration_ms / 1000 for ranked in mine if ranked.duration_ms is not None]
        skips = tests.skips[name]
        reliability = known.get(name, Reliability(0, None, None, ()))
        gold, haste = tests.gold.get(name), tests.haste.get(name)
        figures.append(
            AnnotatorFigures(
                annotator=name,
                rankings=len(mine),
                pairs=len(entries),
                tie_rate=float((just.outcome == 0).mean()) if len(entries) else None,
                ties=share_figure(just.ranking, just.outcome == 0, everything, seed=seed, minimum=minimum),
                median_seconds=float(np.median(seconds)) if seconds else None,
                timed=len(seconds),
                agreement=ratio_figure(
                    sums(prompt, same[entries], len(prompts)),
                    sums(prompt, strict[entries], len(prompts)),
                    seed=seed,
                    minimum=minimum,
                ),
                position=position_of(just, everything, seed=seed, minimum=minimum),
                skips=skips,
                skipped=skip_rate(mine, skips, minimum=minimum),
                reliability=reliability,
                gold=gold,
                consistency=tests.consistency.get(name),
                haste=haste,
                flags=_flags(reliability, gold, haste),
            )
        )
    return tuple(figures)


def _others(pairs: Outcomes, shared: Shared) -> tuple[Floats, Floats]:
    """Of each entry, how many others said the same of the pair, and how many said anything strict."""
    same, strict = np.zeros(len(pairs.low)), np.zeros(len(pairs.low))
    said = shared.sign != 0
    agreeing = shared.counts[shared.unit, shared.sign + 1] - 1
    same[shared.entry] = agreeing * said
    strict[shared.entry] = (agreeing + shared.counts[shared.unit, 1 - shared.sign]) * said
    return same, strict


def _flags(reliability: Reliability, gold: GoldResult | None, haste: Haste | None) -> tuple[str, ...]:
    failed = ("failed gold",) if gold and gold.verdict == "failed" else ()
    fast = ("faster than reading",) if haste and haste.flagged else ()
    return (*reliability.flags, *failed, *fast)
