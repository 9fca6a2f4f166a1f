"""Texts that say the same: nobody can rank one above the other."""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

LIMIT = 0.95  # edit similarity above which two texts count as one


def alike(text: str, other: str) -> bool:
    """The edit similarity, 1 - Levenshtein distance / length of the longer text in characters, is above the limit."""
    return Levenshtein.normalized_similarity(text, other, score_cutoff=LIMIT) > LIMIT


def repeats(texts: Sequence[str]) -> list[int]:
    """Places of the texts that are alike to one before them."""
    return [place for place, text in enumerate(texts) if any(alike(text, before) for before in texts[:place])]


def distinct_first(texts: Sequence[str], count: int) -> list[int]:
    """Places of ``count`` texts in their order: those alike to none chosen before, then as many others as it takes."""
    chosen: list[int] = []
    for place, text in enumerate(texts):
        if not any(alike(text, texts[other]) for other in chosen):
            chosen.append(place)
    others = [place for place in range(len(texts)) if place not in chosen]
    return [*chosen, *others][:count]
