"""What a line of rankings made elsewhere says, whatever its layout. No database here.

Completions are named by their place in the line, from 0; the layout gives them in the order in which the
raters saw them, or, where the file's order tells who won, in an order by hash (``shuffled``).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from annotation.exceptions import InvalidInput
from annotation.importers import MAX_ID, text_checked
from annotation.ranking import STRENGTHS
from annotation.texts import text_problem
from annotation.turns import Turn

MAX_COMPLETIONS = 200
MAX_DECISIONS = 200_000  # pairs that one line may decide, over all its raters
MAX_RATING = 1_000_000
MAX_CRITERION = 50
SOURCE = "imported"  # of a completion whose system the file does not name
Number: TypeAlias = int | float


@dataclass(frozen=True)
class Candidate:
    source: str
    text: str


@dataclass(frozen=True)
class Opinion:
    """One rater's ranking of some of the line's candidates; ``ratings`` are {criterion: {place: rating}}."""

    rater: str
    groups: Sequence[Sequence[int]]  # places, best group first; two or more in a group are a tie
    group: str = ""  # experts, crowd: as the file calls them
    strengths: Sequence[int] | None = None
    none_acceptable: bool = False
    ratings: Mapping[str, Mapping[int, Number]] = field(default_factory=dict)
    rationale: str = ""
    duration_ms: int | None = None


@dataclass(frozen=True)
class Comparison:
    """One line: a prompt, its candidates and what the raters said of them. ``notes`` are told in the report."""

    line: int
    prompt: str  # empty where the source is not known: then there is an id
    candidates: Sequence[Candidate]
    opinions: Sequence[Opinion]
    prompt_id: str = ""
    turns: Sequence[Turn] | None = None
    references: Sequence[str] = ()
    notes: Sequence[str] = ()
    refused: Sequence[str] = ()  # rankings of this line that cannot be taken, and why

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Comparison":
        """The inverse of ``asdict`` through JSON."""
        candidates = [Candidate(**one) for one in values["candidates"]]
        opinions = [Opinion(**{**one, "ratings": _places(one["ratings"])}) for one in values["opinions"]]
        return cls(**{**values, "candidates": candidates, "opinions": opinions})


def _places(ratings: Mapping[str, Mapping[str, Number]]) -> dict[str, dict[int, Number]]:
    return {name: {int(place): rating for place, rating in of.items()} for name, of in ratings.items()}


def comparison_check(comparison: Comparison) -> Comparison:
    """The comparison, or InvalidInput where no project could hold it."""
    count = len(comparison.candidates)
    if comparison.refused and not comparison.opinions:
        raise InvalidInput(" ".join(comparison.refused[:3]))
    if not 2 <= count <= MAX_COMPLETIONS:
        raise InvalidInput(f"Completions here: {count}; from 2 to {MAX_COMPLETIONS} can be ranked.")
    if not comparison.prompt.strip() and not comparison.prompt_id:
        raise InvalidInput("The prompt is empty, and there is no id to know it by.")
    if not comparison.opinions:
        raise InvalidInput("Nobody ranked these completions.")
    if len(comparison.opinions) * count * (count - 1) // 2 > MAX_DECISIONS:
        raise InvalidInput(
            f"{len(comparison.opinions)} rankings of {count} completions: they may decide "
            f"{MAX_DECISIONS:,} pairs at most in one line."
        )
    for opinion in comparison.opinions:
        _opinion_check(opinion, count)
    return comparison


def _opinion_check(opinion: Opinion, count: int) -> None:
    placed = [place for group in opinion.groups for place in group]
    if len(set(placed)) < len(placed) or not all(0 <= place < count for place in placed):
        raise InvalidInput(f"The ranking by {opinion.rater!r} names a completion twice, or one that is not there.")
    if len(placed) < 2 and not opinion.none_acceptable:
        raise InvalidInput(f"The ranking by {opinion.rater!r} has {len(placed)} completions: two are needed.")
    if opinion.strengths is not None:
        boundaries = max(len(opinion.groups) - 1, 0)
        if len(opinion.strengths) != boundaries or any(one not in STRENGTHS for one in opinion.strengths):
            raise InvalidInput(f"'strengths' are {boundaries} here, one for each boundary: 1, 2 or 3.")


def by_score(scores: Mapping[int, Any]) -> list[list[int]]:
    """Places in groups, the highest score first; equal scores tie."""
    groups: dict[Any, list[int]] = {}
    for place, score in scores.items():
        groups.setdefault(score, []).append(place)
    return [groups[score] for score in sorted(groups, reverse=True)]


def shuffled(candidates: Sequence[Candidate]) -> list[int]:
    """Places in an order by hash of the texts: where the file's order says which is better, ours must not."""
    return sorted(
        range(len(candidates)),
        key=lambda place: hashlib.sha256(f"{candidates[place].text}\0{candidates[place].source}".encode()).digest(),
    )


def words(value: Any, name: str, notes: list[str]) -> str:
    """A text; a number or a truth value that some spreadsheet made of one is written out, and noted."""
    if isinstance(value, bool | int | float):
        notes.append(f"'{name}' is no text but {type(value).__name__}: kept as {str(value)[:50]!r}.")
        return text_checked(str(value), name)
    return text_checked(value, name)


def listed(value: Any, name: str) -> list[Any]:
    """A list; a CSV cell may hold it as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidInput(f"'{name}' is no list.") from None
    if not isinstance(value, list):
        raise InvalidInput(f"'{name}' is no list but {type(value).__name__}.")
    return value


def objects(value: Any, name: str) -> list[Mapping[str, Any]]:
    """A list of objects with named fields."""
    found = listed(value, name)
    if not all(isinstance(one, dict) for one in found):
        raise InvalidInput(f"'{name}' is a list of objects with named fields.")
    return found


def short(value: Any, name: str, limit: int = MAX_ID) -> str:
    """A name or an id, stripped; numbers written out, empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"'{name}' is neither a text nor a whole number but {type(value).__name__}.")
    text = str(value).strip()
    if problem := text_problem(text):
        raise InvalidInput(f"'{name}': {problem}")
    if len(text) > limit:
        raise InvalidInput(f"'{name}' has {len(text)} characters; {limit} is the most.")
    return text


def number(value: Any, name: str) -> Number:
    """A finite rating, whole where it can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"'{name}' is no number but {type(value).__name__}.")
    if not -MAX_RATING <= value <= MAX_RATING:  # False for NaN, too
        raise InvalidInput(f"'{name}' is no rating: it lies between −{MAX_RATING:,} and {MAX_RATING:,}.")
    return int(value) if value == int(value) else value
