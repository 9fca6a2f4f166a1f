"""``rankings``: our own plain layout, which snapshots have, too."""

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.exceptions import InvalidInput
from annotation.importers import (
    MAX_TEXT,
    PROMPT_FIELDS,
    PROMPT_ID_FIELDS,
    id_field,
    references_of,
    text_checked,
    text_field,
    turns_field,
)
from annotation.layouts.base import (
    MAX_CRITERION,
    SOURCE,
    Candidate,
    Comparison,
    Number,
    Opinion,
    by_score,
    listed,
    number,
    short,
)
from annotation.readers import Row
from annotation.turns import turns_text

MAX_GROUP = 50


def rankings(row: Row) -> Comparison:
    """``prompt`` (or turns, or the id of a prompt), ``completions``, and one ranking or a list of ``rankings``.

    A ranking has ``groups`` (places from 0, best first, ties together) or ``ranks`` (one for each completion,
    1 is best, equal ones tie, null is not ranked); and, if wanted, ``annotator``, ``group``, ``strengths``,
    ``none_acceptable``, ``ratings`` ({criterion: one for each completion}) and ``rationale``.
    """
    values = row.values
    completions = [_candidate(one) for one in listed(values.get("completions"), "completions")]
    turns = turns_field(values)
    prompt_id = id_field(values, PROMPT_ID_FIELDS)
    if any(values.get(name) is not None for name in PROMPT_FIELDS) or not (turns or prompt_id):
        prompt = text_field(values, PROMPT_FIELDS, what="prompt")
    else:
        prompt = turns_text(turns) if turns else ""
    several = values.get("rankings")
    given = [values] if several is None else listed(several, "rankings")
    return Comparison(
        line=row.line,
        prompt=prompt,
        turns=turns,
        prompt_id=prompt_id,
        candidates=completions,
        opinions=[_opinion(one, index, len(completions)) for index, one in enumerate(given, start=1)],
        references=references_of(values),
    )


def _candidate(value: Any) -> Candidate:
    if isinstance(value, Mapping):
        source = next((value[name] for name in ("source", "model", "system") if value.get(name) is not None), None)
        return Candidate(short(source, "source") or SOURCE, text_checked(value.get("text"), "text"))
    return Candidate(SOURCE, text_checked(value, "completions"))


def _opinion(values: Any, index: int, count: int) -> Opinion:
    if not isinstance(values, Mapping):
        raise InvalidInput(f"A ranking is an object, not {type(values).__name__}.")
    none_acceptable = values.get("none_acceptable") or False
    if not isinstance(none_acceptable, bool):
        raise InvalidInput("'none_acceptable' is true or false.")
    given: Any = values.get("strengths")
    strengths = None if given is None or given == "" else listed(given, "strengths")
    return Opinion(
        rater=short(values.get("annotator"), "annotator") or f"rater{index}",
        groups=_groups(values, count),
        group=short(values.get("group"), "group", MAX_GROUP),
        strengths=None if strengths is None else [_whole(one, "strengths") for one in strengths],
        none_acceptable=none_acceptable,
        ratings=_ratings(values.get("ratings"), count),
        rationale=text_checked(values.get("rationale") or "", "rationale")[:MAX_TEXT],
    )


def _groups(values: Mapping[str, Any], count: int) -> Sequence[Sequence[int]]:
    if values.get("groups") is not None:
        groups = [listed(group, "groups") for group in listed(values["groups"], "groups")]
        if not all(groups):
            raise InvalidInput("A group of 'groups' is empty.")
        return [[_whole(place, "groups") for place in group] for group in groups]
    if values.get("ranks") is None:
        raise InvalidInput("There are neither 'groups' nor 'ranks': nothing is ranked.")
    ranks = listed(values["ranks"], "ranks")
    if len(ranks) != count:
        raise InvalidInput(f"There are {len(ranks)} ranks for {count} completions.")
    return by_score({place: -number(rank, "ranks") for place, rank in enumerate(ranks) if rank is not None})


def _whole(value: Any, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10_000:
        return value
    raise InvalidInput(f"'{name}' holds whole numbers, and not {str(value)[:20]!r}.")


def _ratings(value: Any, count: int) -> dict[str, dict[int, Number]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput("'ratings' are {criterion: one for each completion}.")
    found: dict[str, dict[int, Number]] = {}
    for criterion, ratings in value.items():
        name = short(criterion, "a criterion", MAX_CRITERION)
        given = listed(ratings, name)
        if len(given) != count:
            raise InvalidInput(f"There are {len(given)} ratings on {name!r} for {count} completions.")
        found[name] = {place: number(one, name) for place, one in enumerate(given) if one is not None}
    return found
