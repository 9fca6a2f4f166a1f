"""``ratings``: candidates that several raters scored on several criteria.

A rater's ranking is by the unweighted sum of the criteria; equal sums tie.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from annotation.exceptions import InvalidInput
from annotation.importers import ID_FIELDS, PROMPT_FIELDS, SOURCE_FIELDS, id_field, references_of, text_field
from annotation.layouts.base import (
    MAX_CRITERION,
    SOURCE,
    Candidate,
    Comparison,
    Number,
    Opinion,
    by_score,
    number,
    objects,
    short,
    words,
)
from annotation.readers import Row

CANDIDATES = ("candidates", "completions")
TEXTS = ("summary", "completion", "text", "output", "response")
NAMES = ("candidate", *SOURCE_FIELDS)
# The field, and what its raters are called; without a group they are rater1, rater2…
GROUPS = {"ratings": "", "expert_ratings": "expert", "crowd_ratings": "crowd"}
Scores = Mapping[str, Number]


def ratings(row: Row) -> Comparison:
    """``id``, ``dialogue``, ``candidates`` of ``summary`` and ``ratings`` (and ``expert_ratings``, ``crowd_ratings``).

    Each list holds one object of criteria for each rater, in the same order for every candidate.
    """
    name = next((name for name in CANDIDATES if row.values.get(name) is not None), CANDIDATES[0])
    found = objects(row.values.get(name), name)
    notes: list[str] = []
    refused: list[str] = []
    opinions: list[Opinion] = []
    for field, group in GROUPS.items():
        for rater, scores in _by_rater(found, field, group).items():
            if not scores:
                notes.append(f"{rater} rated none of these completions.")
            elif problem := _problem(rater, scores):
                refused.append(problem)
            else:
                if len(scores) < len(found):
                    notes.append(f"{rater} rated {len(scores)} of {len(found)} completions, and ranks those.")
                opinions.append(_opinion(rater, group, scores))
    has_prompt = any(row.values.get(field) is not None for field in PROMPT_FIELDS)
    return Comparison(
        line=row.line,
        prompt=text_field(row.values, PROMPT_FIELDS, what="prompt") if has_prompt else "",
        prompt_id=id_field(row.values, ID_FIELDS),
        candidates=[_candidate(one, notes) for one in found],
        opinions=opinions,
        references=references_of(row.values),
        notes=notes,
        refused=refused,
    )


def _candidate(values: Mapping[str, Any], notes: list[str]) -> Candidate:
    field = next((name for name in TEXTS if values.get(name) is not None), None)
    if field is None:
        raise InvalidInput(f"A candidate has no text: one of the fields {', '.join(TEXTS)} is needed.")
    return Candidate(id_field(values, NAMES) or SOURCE, words(values[field], field, notes))


def _by_rater(found: Sequence[Mapping[str, Any]], field: str, group: str) -> dict[str, dict[int, Scores]]:
    """{rater: {place: scores}}, without the candidates that a rater did not rate."""
    by_rater: dict[str, dict[int, Scores]] = {}
    for place, candidate in enumerate(found):
        given = candidate.get(field)
        if given is None:
            continue
        if not isinstance(given, list):
            raise InvalidInput(f"'{field}' is no list but {type(given).__name__}.")
        for index, one in enumerate(given, start=1):
            scores = _scores(one, field)
            rated = by_rater.setdefault(f"{group or 'rater'}{index}", {})
            if scores:
                rated[place] = scores
    return by_rater


def _scores(value: Any, field: str) -> Scores:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"'{field}' holds {type(value).__name__}, and not an object of criteria, for a rater.")
    given = {name: one for name, one in value.items() if one is not None}
    return {short(name, "a criterion", MAX_CRITERION): number(one, name[:50]) for name, one in given.items()}


def _problem(rater: str, scores: Mapping[int, Scores]) -> str | None:
    """Why these scores are no ranking."""
    if len(scores) < 2:
        return f"{rater} rated one completion only: that ranks nothing."
    criteria = {frozenset(one) for one in scores.values()}
    if len(criteria) > 1:
        differing = sorted(frozenset.union(*criteria) - frozenset.intersection(*criteria))
        return f"{rater} did not rate every completion on {', '.join(differing[:5])}: the sums do not compare."
    return None


def _opinion(rater: str, group: str, scores: Mapping[int, Scores]) -> Opinion:
    # Decimal, so that 0.1 + 0.2 ties with 0.3.
    sums = {place: sum((Decimal(str(one)) for one in of.values()), Decimal()) for place, of in scores.items()}
    criteria = next(iter(scores.values()))
    kept = {name: {place: of[name] for place, of in scores.items()} for name in criteria}
    return Opinion(rater, by_score(sums), group=group, ratings=kept)
