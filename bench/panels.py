"""Simulated panels of ten annotators with a spammer, a position clicker and an adversary: who is flagged?

    python -m bench.panels [--seeds 20] [--first-seed 100] [--tasks 60] [--variants]

Nobody's answers come from the fitted model. A task has four completions with utilities u ~ N(0, 1.8²), so that two
honest people agree on about 73 % of pairs, as published. An honest annotator (seven of ten) orders γ u + Gumbel noise
(Plackett and Luce's model) with γ from 0.7 to 1.4 and a slight lean of at most 0.2 to what stands first, and ties
neighbours that are nearly equal. The spammer orders at random, the position clicker follows the page in nine of ten
tasks and guesses in the rest, the adversary turns an honest order round. Two designs: all ten rank the same tasks, or
each task goes to three of the ten and each person has as many shared ones. A hit is a bad annotator with any flag, a
false alarm an honest one with any. Intervals are Wilson's. ``--variants`` are other panels: two completions, fewer
tasks, honest people who are right on 60 to 90 % of pairs, other kinds of bad ones, none at all.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import binomtest, norm

from annotation.outcomes import Ranked, pair_outcomes, shared_units
from annotation.reliability import Reliability, reliabilities

BAD = ("spammer", "position clicker", "adversary")
HONEST = "honest"
PEOPLE, SIZE, SPREAD, NEARLY = 10, 4, 1.8, 0.25
Groups = list[tuple[int, ...]]


@dataclass(frozen=True)
class Person:
    """How one annotator ranks."""

    name: str
    kind: str
    gamma: float
    lean: float

    def order(self, utility: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> Groups:
        """Indices in groups, best first; ``place`` [K] is each completion's place on the page, from 0."""
        size = len(utility)
        if self.kind == "ties everything":
            return [tuple(range(size))]
        clicks = self.kind in ("position clicker", "reverse clicker")
        if self.kind == "spammer" or (clicks and rng.random() < 0.1):
            return [(int(index),) for index in rng.permutation(size)]
        if clicks:
            return [(int(index),) for index in np.argsort(place if self.kind == "position clicker" else -place)]
        score = self.gamma * utility - self.lean * place / (size - 1) + rng.gumbel(size=size)
        if self.kind == "adversary":
            score = -score
        groups: Groups = []
        above = None
        for index in np.argsort(-score):
            if above is not None and above - score[index] < NEARLY:
                groups[-1] = (*groups[-1], int(index))
            else:
                groups.append((int(index),))
            above = score[index]
        return groups


@dataclass(frozen=True)
class Design:
    """A panel: ``right`` are the shares of pairs that the honest decide rightly, None for γ from 0.7 to 1.4.

    Adversaries of a panel with ``right`` turn round the order of somebody who is right on 80 %.
    """

    name: str
    raters: int = PEOPLE
    tasks: int = 60
    size: int = SIZE
    bad: tuple[str, ...] = BAD
    right: tuple[float, float] | None = None

    def person(self, index: int, rng: np.random.Generator) -> Person:
        kind = self.bad[index] if index < len(self.bad) else HONEST
        gamma, lean = float(rng.uniform(0.7, 1.4)), float(rng.uniform(-0.2, 0.2))
        if self.right is not None:
            gamma = gamma_of(0.8 if kind == "adversary" else round(float(rng.uniform(*self.right)), 3))
        return Person(f"{kind} {index}", kind, gamma, lean)


STANDARD = (Design("all ten rank each task"), Design("three of ten rank each task", raters=3))
SKILLED, MIXED = (0.7, 0.9), (0.6, 0.9)
VARIANTS = (
    *(
        Design(f"K = {size}, {raters} of ten, {tasks} tasks, honest right on {100 * right[0]:.0f}–90 %",
               raters, tasks, size, BAD, right)
        for right in (SKILLED, MIXED) for size in (4, 2) for raters in (10, 3) for tasks in (60, 30)
    ),
    *(
        Design(f"K = {size}, {name}", size=size, bad=bad, right=SKILLED)
        for size in (4, 2)
        for name, bad in (
            ("two adversaries", (*BAD, "adversary")),
            ("one ties everything, one clicks from below", ("ties everything", "reverse clicker", "adversary")),
            ("all honest", ()),
        )
    ),
)  # fmt: skip


@cache
def gamma_of(right: float) -> float:
    """The γ of who is right on this share of pairs: E σ(γ |d|), d ~ N(0, 2 · 1.8²)."""
    width = SPREAD * 2**0.5

    def share(gamma: float) -> float:
        return 2 * float(quad(lambda gap: expit(gamma * gap) * norm.pdf(gap, scale=width), 0, 10 * width)[0])

    return float(brentq(lambda gamma: share(gamma) - right, 0, 50))


def panel(seed: int, tasks: int, raters: int, design: Design = STANDARD[0]) -> tuple[list[Person], list[Ranked]]:
    """Ten people, and their rankings of as many tasks as give each person ``tasks`` shared ones."""
    rng = np.random.default_rng(seed)
    size = design.size
    people = [design.person(index, rng) for index in range(PEOPLE)]
    rankings, had = [], np.zeros(PEOPLE, dtype=int)
    for prompt in range(tasks * PEOPLE // raters):
        utility = rng.normal(0, SPREAD, size=size)
        # Those with the fewest tasks so far, at random among equals.
        chosen = np.lexsort((rng.random(PEOPLE), had))[:raters]
        had[chosen] += 1
        for index in chosen:
            place = rng.permutation(size)
            groups = people[index].order(utility, place, rng)
            ids = tuple(tuple(prompt * size + one for one in group) for group in groups)
            shown = tuple(int(one) + prompt * size for one in np.argsort(place))
            rankings.append(Ranked(prompt, people[index].name, ids, shown))
    return people, rankings


def judged(rankings: Sequence[Ranked]) -> dict[str, Reliability]:
    """What the quality page says of them."""
    pairs = pair_outcomes(rankings)
    return reliabilities(pairs, shared_units(pairs))


def flagged(design: Design, seeds: Iterable[int]) -> dict[str, Counter[str]]:
    """By kind of annotator, how many ``people``, how many of them ``flagged``, and each flag."""
    flags: dict[str, Counter[str]] = {}
    for seed in seeds:
        people, rankings = panel(seed, design.tasks, design.raters, design)
        found = judged(rankings)
        for person in people:
            count = flags.setdefault(person.kind, Counter())
            count["people"] += 1
            count["flagged"] += bool(found[person.name].flags)
            count.update(found[person.name].flags)
    return flags


def rate(hits: int, trials: int) -> str:
    """A share with its interval, as a table has it."""
    if not trials:
        return "–"
    interval = binomtest(hits, trials).proportion_ci(method="wilson")
    return f"{hits} of {trials}: {100 * hits / trials:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def by_kind(designs: Sequence[Design], seeds: Sequence[int], show: Callable[[str], None]) -> None:
    show("| design | who | flagged | inverted | close to guessing | position bias |")
    show("| --- | --- | --- | --- | --- | --- |")
    for design in designs:
        flags = flagged(design, seeds)
        flags["all three"] = _bad(flags)
        for kind, count in flags.items():
            each = " | ".join(str(count[flag]) for flag in ("inverted", "close to guessing", "position bias"))
            show(f"| {design.name} | {kind} | {rate(count['flagged'], count['people'])} | {each} |")


def in_short(designs: Sequence[Design], seeds: Sequence[int], show: Callable[[str], None]) -> None:
    show("| panel | bad ones flagged | honest ones flagged |")
    show("| --- | --- | --- |")
    for design in designs:
        flags = flagged(design, seeds)
        cells = [rate(count["flagged"], count["people"]) for count in (_bad(flags), flags[HONEST])]
        show(f"| {design.name} | {' | '.join(cells)} |")


def _bad(flags: dict[str, Counter[str]]) -> Counter[str]:
    return sum((count for kind, count in flags.items() if kind != HONEST), Counter())


def main(show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=60, help="shared tasks of each person, without --variants")
    parser.add_argument("--variants", action="store_true", help="other panels, in short")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    if options.variants:
        in_short(VARIANTS, seeds, show)
    else:
        by_kind([replace(design, tasks=options.tasks) for design in STANDARD], seeds, show)


if __name__ == "__main__":
    main()
