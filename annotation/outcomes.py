"""Rankings as a flat table of pair outcomes, and the pairs that several annotators judged."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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
    rows = [_rows(ranked) for ranked in rankings]
    by_size: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        by_size.setdefault(len(row), []).append(index)
    # Rankings of one size at a time, so that each step is one array operation.
    parts = [_pairs_of(members, rows, size) for size, members in sorted(by_size.items()) if size > 1]
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
    turned = np.array(
        [_turned(*names) for names in zip(pairs.prompt[where], pairs.low[where], pairs.high[where], strict=True)],
        dtype=np.int64,
    )
    sign = pairs.outcome[entry] * turned[unit]
    counts = np.bincount(unit * 3 + sign + 1, minlength=3 * len(kept)).reshape(-1, 3)
    codes, prompt = np.unique(pairs.prompt[where], return_inverse=True)
    return Shared(counts, prompt, len(codes), entry, unit, sign)


def _rows(ranked: Ranked) -> list[tuple[int, int, int]]:
    """(completion id, group, place on the page or -1), sorted by id."""
    place = {completion: index for index, completion in enumerate(ranked.display_order)}
    rows = sorted((c, level, place.get(c, -1)) for level, group in enumerate(ranked.groups) for c in group)
    if len({row[0] for row in rows}) < len(rows):
        raise ValueError(f"the ranking of prompt {ranked.prompt} by {ranked.annotator} names a completion twice")
    return rows


def _pairs_of(members: list[int], rows: list[list[tuple[int, int, int]]], size: int) -> Ints:
    """Columns ranking, low, high, outcome, shown, ends of the rankings with ``size`` completions."""
    table = np.array([rows[index] for index in members], dtype=np.int64)  # [R, K, (id, group, place)]
    first, second = np.triu_indices(size, k=1)
    ids, group, place = table[:, :, 0], table[:, :, 1], table[:, :, 2]
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


def _keys(pairs: Outcomes) -> Ints:
    """One integer for each (prompt, low, high): codes instead of ids, so that it fits into 63 bits."""
    ids, codes = np.unique(np.concatenate([pairs.low, pairs.high]), return_inverse=True)
    low, high = codes[: len(pairs.low)], codes[len(pairs.low) :]
    prompt = np.unique(pairs.prompt, return_inverse=True)[1]
    keys: Ints = (prompt * len(ids) + low) * len(ids) + high
    return keys


def _turned(prompt: int, low: int, high: int) -> int:
    """The pair's fixed orientation, +1 or -1, from its ids alone."""
    return 1 if hashlib.sha256(f"{prompt}:{low}:{high}".encode()).digest()[0] & 1 else -1
