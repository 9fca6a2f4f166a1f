"""A prompt as a row of a file holds it: a text, a list of turns, or messages."""

from collections.abc import Mapping

from rlhf.exceptions import DataError
from rlhf.prompting import RawPrompt, Turn

PROMPT_FIELDS = ("dialogue", "prompt", "messages")
_SHAPES = (("speaker", "text"), ("role", "content"))


def prompt_of(row: Mapping[str, object], where: str) -> tuple[RawPrompt, str | None]:
    """The row's prompt and, where `messages` end with the assistant's, that answer, which is no part of it.

    A prompt is a text or a list of turns, ``{speaker, text}`` or ``{role, content}``. A system message stays in any
    window. Raises DataError naming ``where``.
    """
    for field in PROMPT_FIELDS:
        value = row.get(field)
        if value is None:
            continue
        if isinstance(value, list):
            turns = tuple(_turn(item, f"{where}: {field}, turn {number}") for number, item in enumerate(value, start=1))
            return _question(turns, field, where)
        if not isinstance(value, str) or not value.strip() or field == "messages":
            shape = (
                "a list of {role, content}" if field == "messages" else "a text that is not empty or a list of turns"
            )
            raise DataError(f"{where}: {field} must be {shape}, not {value!r}.")
        return value, None
    raise DataError(
        f"{where}: no prompt: a line needs one of {', '.join(PROMPT_FIELDS)}; it has {', '.join(row) or 'nothing'}."
    )


def _question(turns: tuple[Turn, ...], field: str, where: str) -> tuple[RawPrompt, str | None]:
    answered = field == "messages" and bool(turns) and turns[-1].speaker == "assistant"
    asked = turns[:-1] if answered else turns
    if all(turn.pinned for turn in asked):
        raise DataError(f"{where}: {field} has no turn that could be answered.")
    return asked, turns[-1].text if answered else None


def _turn(item: object, where: str) -> Turn:
    for speaker, text in _SHAPES:
        if isinstance(item, dict) and {speaker, text} <= item.keys():
            said = item[speaker], item[text]
            if not all(isinstance(one, str) and one.strip() for one in said):
                raise DataError(f"{where}: {speaker} and {text} must be texts that are not empty, not {said}.")
            return Turn(*said, pinned=speaker == "role" and said[0] == "system")
    raise DataError(f"{where}: must be {{speaker, text}} or {{role, content}}, not {item!r}.")
