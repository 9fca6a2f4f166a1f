"""Was there time to read? A ranking faster than its texts can be skimmed is flagged, never dropped."""

from collections.abc import Iterable
from dataclasses import dataclass

from annotation.bootstrap import MINIMUM, Figure, wilson

WORDS_A_MINUTE = 1000  # skimming; people read about 240 (Brysbaert 2019)
LETTERS_A_WORD = 6  # with the space: English prose
SUSPICIOUS = 0.1  # share of rankings above which a person is worth a look


@dataclass(frozen=True)
class Timed:
    """One timed ranking: the characters of its source and all its completions, and the milliseconds it took."""

    annotator: str
    characters: int
    duration_ms: int


@dataclass(frozen=True)
class Haste:
    """``share`` of timed rankings below reading speed (Wilson, n = timed rankings), ``flagged`` when it passes 10 %
    with its whole interval; None below the minimum.
    """

    share: Figure | None
    fast: int
    timed: int
    flagged: bool


def hastes(rows: Iterable[Timed], *, minimum: int = MINIMUM) -> dict[str, Haste]:
    """By annotator, those with any timed ranking; "" is everybody together."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        fast = row.duration_ms < least_ms(row.characters)
        for name in (row.annotator, ""):
            count = counts.setdefault(name, [0, 0])
            count[0] += fast
            count[1] += 1
    found = {}
    for name, (fast_ones, timed) in sorted(counts.items()):
        share = wilson(fast_ones / timed, timed) if timed >= max(1, minimum) else None
        found[name] = Haste(share, fast_ones, timed, share is not None and share.low > SUSPICIOUS)
    return found


def least_ms(characters: int) -> float:
    """How long skimming so many characters takes."""
    return characters / LETTERS_A_WORD / WORDS_A_MINUTE * 60_000
