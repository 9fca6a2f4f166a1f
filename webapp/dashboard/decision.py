"""The form of a final ranking: places and strengths as a reviewer chose them, and the answer that they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotation.exceptions import InvalidInput
from annotation.ranking import Answer

BETTER = 2  # where nothing is said; as on the ranking page, an answer of nothing else has no strengths
STRENGTH_NAMES = {1: "slightly better", BETTER: "better", 3: "much better"}


@dataclass(frozen=True)
class Choice:
    """What stands in the form: by completion its place, by place how much better than the next one."""

    places: Mapping[int, int] = field(default_factory=dict)
    strengths: Mapping[int, int] = field(default_factory=dict)


def choice_read(posted: Mapping[str, str], completions: Sequence[int]) -> Choice:
    """The places and strengths that were posted; what is no number of the form's is not chosen."""
    places = {pk: _number(posted.get(f"place-{pk}", ""), len(completions)) for pk in completions}
    strengths = {
        place: _number(posted.get(f"strength-{place}", ""), max(STRENGTH_NAMES)) for place in range(1, len(completions))
    }
    return Choice(
        {pk: place for pk, place in places.items() if place},
        {place: strength for place, strength in strengths.items() if strength},
    )


def choice_answer(choice: Choice, completions: Sequence[int]) -> Answer:
    """The ranking that the form says; the same place is a tie. InvalidInput where it says too little or two things."""
    if set(choice.places) != set(completions):
        raise InvalidInput("Give each completion a place; the same place for two of them is a tie.")
    taken = sorted(set(choice.places.values()))
    for place, strength in choice.strengths.items():
        if strength != BETTER and place not in taken[:-1]:
            said = f"Place {place} is “{STRENGTH_NAMES[strength]}” than the next one"
            raise InvalidInput(f"{said}, but {_missing(place, taken)}: choose “better” there, or change the places.")
    strengths = [choice.strengths.get(place, BETTER) for place in taken[:-1]]
    groups = [sorted(pk for pk in completions if choice.places[pk] == place) for place in taken]
    return Answer(groups, strengths if any(one != BETTER for one in strengths) else None)


def _missing(place: int, taken: Sequence[int]) -> str:
    return "nothing stands below it" if place in taken else "nothing stands on it"


def _number(text: str, most: int) -> int:
    """1 to ``most``, else 0."""
    return int(text) if text.isdecimal() and len(text) < 4 and int(text) <= most else 0
