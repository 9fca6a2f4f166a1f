"""Rankings as a flat table of pair outcomes, and the pairs that several annotators judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One annotator's current ranking of one prompt's completions.

    ``groups`` holds completion ids, best group first, ties within a group; ``display_order`` the
    same ids as they were shown (empty where unknown); ``duration_ms`` is None where not timed.
    ``rater_group`` is what an import calls the annotator's kind (expert, crowd), ``day`` the date's
    ordinal, ``first`` the completion that stands first in an imported file; ``best_worst`` says that
    members of one group were not compared: they are no tie.
    """

    prompt: int
    annotator: str
    groups: tuple[tuple[int, ...], ...]
    display_order: tuple[int, ...] = ()
    duration_ms: int | None = None
    rater_group: str = ""
    day: int | None = None
    best_worst: bool = False
    first: int | None = None


@dataclass(frozen=True)
class Outcomes:
    """Every pair of completions of every ranking, one entry [n] each; ``low`` is the smaller completion id.

    ``outcome`` is +1 where ``low`` was ranked above, -1 below, 0 tied; ``shown`` is +1 where ``low``
    stood earlier on the page, -1 later, 0 unknown; ``ends`` marks the first shown against the last.
    """

    ranking: Ints
    prompt: Ints
    annotator: Ints  # index into names
    low: Ints
    high: Ints
    outcome: Ints
    shown: Ints
    ends: Flags
    names: tuple[str, ...]

    def rows(self, where: Ints) -> "Outcomes":
        """These entries alone."""
        return Outcomes(
            self.ranking[where],
            self.prompt[where],
            self.annotator[where],
            self.low[where],
            self.high[where],
            self.outcome[where],
            self.shown[where],
            self.ends[where],
            self.names,
        )


@dataclass(frozen=True)
class Shared:
    """Completion pairs that at least two annotators judged.

    ``counts`` [U, 3] of outcomes -1, 0, 1 in each pair's fixed orientation; ``prompt`` [U] codes
    0 … prompts-1; ``entry`` [m] indices into the outcomes, with ``unit`` [m] and oriented ``sign`` [m].
    """

    counts: Ints
    prompt: Ints
    prompts: int
    entry: Ints
    unit: Ints
    sign: Ints


def pair_outcomes(rankings: Sequence[Ranked]) -> Outcomes:
    """The table of pairs. Raises ValueError when a ranking names a completion twice."""
    names = tuple(sorted({ranked.annotator for ranked in rankings}))
    code = {name: index for index, name in enumerate(names)}
    by_size: dict[int, list[int]] = {}
    for index, ranked in enumerate(rankings):
        by_size.setdefault(sum(map(len, ranked.groups)), []).append(index)
    # Rankings of one size at a time, so that each step is one array operation.
    parts = [_pairs_of(members, rankings, size) for size, members in sorted(by_size.items()) if size > 1]
    table = np.concatenate(parts) if parts else np.zeros((0, 6), np.int64)
    uncompared = np.array([ranked.best_worst for ranked in rankings], dtype=bool)
    table = table[~(uncompared[table[:, 0]] & (table[:, 3] == 0))]
    owner, low, high, outcome, shown, ends = table.T
    prompts = np.array([ranked.prompt for ranked in rankings], dtype=np.int64)
    people = np.array([code[ranked.annotator] for ranked in rankings], dtype=np.int64)
    return Outcomes(owner, prompts[owner], people[owner], low, high, outcome, shown, ends > 0, names)


def shared_units(pairs: Outcomes) -> Shared:
    """The pairs judged by two annotators or more; of a pair that one annotator judged twice, the later entry."""
    if not len(pairs.low):
        nothing = np.zeros(0, np.int64)
        return Shared(np.zeros((0, 3), np.int64), nothing, 0, nothing, nothing, nothing)
    units, unit = np.unique(_keys(pairs), return_inverse=True)
    # A deliberate repeat is not a second rater: the last entry of each (unit, annotator) counts.
    who = unit * len(pairs.names) + pairs.annotator
    last = len(who) - 1 - np.unique(who[::-1], return_index=True)[1]
    raters = np.bincount(unit[last], minlength=len(units))
    entry = np.sort(last[raters[unit[last]] >= 2])
    kept, first, unit = np.unique(unit[entry], return_index=True, return_inverse=True)
    where = entry[first]
    turned = _turned(pairs.prompt[where], pairs.low[where], pairs.high[where])
    sign = pairs.outcome[entry] * turned[unit]
    counts = np.bincount(unit * 3 + sign + 1, minlength=3 * len(kept)).reshape(-1, 3)
    codes, prompt = np.unique(pairs.prompt[where], return_inverse=True)
    return Shared(counts, prompt, len(codes), entry, unit, sign)


def _pairs_of(members: list[int], rankings: Sequence[Ranked], size: int) -> Ints:
    """Columns ranking, low, high, outcome, shown, ends of the rankings with ``size`` completions."""
    ids, group, place = _table([rankings[index] for index in members], size)
    first, second = np.triu_indices(size, k=1)
    known = (place[:, first] >= 0) & (place[:, second] >= 0)
    apart = np.where(known, place[:, second] - place[:, first], 0)
    columns = (
        np.repeat(np.array(members, dtype=np.int64), len(first)),
        ids[:, first].ravel(),
        ids[:, second].ravel(),
        np.sign(group[:, second] - group[:, first]).ravel(),
        np.sign(apart).ravel(),
        (np.abs(apart) == size - 1).ravel(),
    )
    return np.stack(columns, axis=1).astype(np.int64)


def _table(rankings: Sequence[Ranked], size: int) -> tuple[Ints, Ints, Ints]:
    """Completion ids in rising order, their groups, and their places on the page or -1, [R, size] each."""
    groups = list(chain.from_iterable(ranked.groups for ranked in rankings))
    lengths = np.fromiter(map(len, groups), np.int64, len(groups))
    of_ranking = np.fromiter((len(ranked.groups) for ranked in rankings), np.int64, len(rankings))
    level = np.arange(len(groups)) - np.repeat(np.cumsum(of_ranking) - of_ranking, of_ranking)
    shape = (len(rankings), size)
    ids = np.fromiter(chain.from_iterable(groups), np.int64, len(rankings) * size).reshape(shape)
    order = np.argsort(ids, axis=1)
    ids = np.take_along_axis(ids, order, axis=1)
    if twice := np.flatnonzero((ids[:, 1:] == ids[:, :-1]).any(axis=1)).tolist():
        wrong = rankings[twice[0]]
        raise ValueError(f"the ranking of prompt {wrong.prompt} by {wrong.annotator} names a completion twice")
    return ids, np.take_along_axis(np.repeat(level, lengths).reshape(shape), order, axis=1), _places(rankings, ids)


def _places(rankings: Sequence[Ranked], ids: Ints) -> Ints:
    """Where each of ``ids`` [R, K], rising in a row, stood on its page, from 0; -1 where that is not known."""
    place = np.full(ids.shape, -1, dtype=np.int64)
    whole = [index for index, ranked in enumerate(rankings) if len(ranked.display_order) == ids.shape[1]]
    shown = np.array([rankings[index].display_order for index in whole], dtype=np.int64).reshape(-1, ids.shape[1])
    order = np.argsort(shown, axis=1)
    same = (np.take_along_axis(shown, order, axis=1) == ids[whole]).all(axis=1)
    place[np.array(whole, dtype=np.int64)[same]] = order[same]
    rest = {*range(len(rankings))} - {*np.array(whole, dtype=np.int64)[same].tolist()}
    for index in rest:
        stood = {completion: at for at, completion in enumerate(rankings[index].display_order)}
        place[index] = [stood.get(one, -1) for one in ids[index].tolist()]
    return place


def _keys(pairs: Outcomes) -> Ints:
    """One integer for each (prompt, low, high): codes instead of ids, so that it fits into 63 bits."""
    ids, codes = np.unique(np.concatenate([pairs.low, pairs.high]), return_inverse=True)
    low, high = codes[: len(pairs.low)], codes[len(pairs.low) :]
    prompt = np.unique(pairs.prompt, return_inverse=True)[1]
    keys: Ints = (prompt * len(ids) + low) * len(ids) + high
    return keys


def _turned(prompt: Ints, low: Ints, high: Ints) -> Ints:
    """Each pair's fixed orientation, +1 or -1: a bit of a hash of its ids alone (the finaliser of splitmix64)."""
    found = np.zeros(len(prompt), dtype=np.uint64)
    for part in (prompt, low, high):
        found += part.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found ^= found >> np.uint64(31)
    return np.where(found & np.uint64(1), 1, -1).astype(np.int64)
