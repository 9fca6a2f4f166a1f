"""Simulated panels of ten annotators with a spammer, a position clicker and an adversary: who is flagged?

    python -m bench.panels [--seeds 20] [--first-seed 100] [--tasks 60]

Nobody's answers come from the fitted model. A task has four completions with utilities u ~ N(0, 1.8²), so that two
honest people agree on about 73 % of pairs, as published. An honest annotator (seven of ten) orders γ u + Gumbel noise
(Plackett and Luce's model) with γ from 0.7 to 1.4 and a slight lean of at most 0.2 to what stands first, and ties
neighbours that are nearly equal. The spammer orders at random, the position clicker follows the page in nine of ten
tasks and guesses in the rest, the adversary turns an honest order round. Two designs: all ten rank the same tasks, or
each task goes to three of the ten and each person has as many shared ones. A hit is a bad annotator with any flag, a
false alarm an honest one with any. Intervals are Wilson's.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from annotation.outcomes import Ranked, pair_outcomes, shared_units
from annotation.reliability import Reliability, reliabilities

BAD = ("spammer", "position clicker", "adversary")
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
        if self.kind == "spammer" or (self.kind == "position clicker" and rng.random() < 0.1):
            return [(int(index),) for index in rng.permutation(SIZE)]
        if self.kind == "position clicker":
            return [(int(index),) for index in np.argsort(place)]
        score = self.gamma * utility - self.lean * place / (SIZE - 1) + rng.gumbel(size=SIZE)
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


def panel(seed: int, tasks: int, raters: int) -> tuple[list[Person], list[Ranked]]:
    """Ten people, and their rankings of as many tasks as give each person ``tasks`` shared ones."""
    rng = np.random.default_rng(seed)
    kinds = [*BAD, *["honest"] * (PEOPLE - len(BAD))]
    people = [
        Person(f"{kind} {index}", kind, float(rng.uniform(0.7, 1.4)), float(rng.uniform(-0.2, 0.2)))
        for index, kind in enumerate(kinds)
    ]
    rankings, had = [], np.zeros(PEOPLE, dtype=int)
    for prompt in range(tasks * PEOPLE // raters):
        utility = rng.normal(0, SPREAD, size=SIZE)
        # Those with the fewest tasks so far, at random among equals.
        chosen = np.lexsort((rng.random(PEOPLE), had))[:raters]
        had[chosen] += 1
        for index in chosen:
            place = rng.permutation(SIZE)
            groups = people[index].order(utility, place, rng)
            ids = tuple(tuple(prompt * SIZE + one for one in group) for group in groups)
            shown = tuple(int(one) + prompt * SIZE for one in np.argsort(place))
            rankings.append(Ranked(prompt, people[index].name, ids, shown))
    return people, rankings


def judged(rankings: Sequence[Ranked]) -> dict[str, Reliability]:
    """What the quality page says of them."""
    pairs = pair_outcomes(rankings)
    return reliabilities(pairs, shared_units(pairs))


def rate(hits: int, trials: int) -> str:
    """A share with its interval, as a table has it."""
    interval = binomtest(hits, trials).proportion_ci(method="wilson")
    return f"{hits} of {trials}: {100 * hits / trials:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def main(show: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=60, help="shared tasks of each person")
    options = parser.parse_args()
    show("| design | who | flagged | inverted | close to guessing | position bias |")
    show("| --- | --- | --- | --- | --- | --- |")
    for raters, design in ((PEOPLE, "all ten rank each task"), (3, "three of ten rank each task")):
        flags: dict[str, Counter[str]] = {}
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            people, rankings = panel(seed, options.tasks, raters)
            found = judged(rankings)
            for person in people:
                count = flags.setdefault(person.kind, Counter())
                count["people"] += 1
                count["flagged"] += bool(found[person.name].flags)
                count.update(found[person.name].flags)
        flags["all three"] = sum((flags[kind] for kind in BAD), Counter())
        for kind, count in flags.items():
            each = " | ".join(str(count[flag]) for flag in ("inverted", "close to guessing", "position bias"))
            show(f"| {design} | {kind} | {rate(count['flagged'], count['people'])} | {each} |")


if __name__ == "__main__":
    main()
