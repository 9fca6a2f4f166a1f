"""Conversations: prompts as turns with speakers, and the text that a model reads of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from annotation.exceptions import InvalidInput
from annotation.texts import text_problem

MAX_TURNS = 1000
MAX_SPEAKER = 100
SPEAKER_FIELDS = ("speaker", "role", "from")
TEXT_FIELDS = ("text", "content", "value")
NAMES = {
    "user": "User",
    "assistant": "Assistant",
    "system": "System",
    "tool": "Tool",
    "human": "Human",
    "gpt": "Assistant",
}


class Turn(TypedDict):
    speaker: str
    text: str


def turns_of(value: Any, name: str = "turns") -> list[Turn]:
    """Turns of ``{speaker, text}``, or messages of ``{role, content}`` (or ``{from, value}``); InvalidInput otherwise.

    A CSV cell may hold them as JSON.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidInput(f"'{name}' is no list of turns.") from None
    if not isinstance(value, list):
        raise InvalidInput(f"'{name}' is no list of turns but {type(value).__name__}.")
    if not 1 <= len(value) <= MAX_TURNS:
        raise InvalidInput(f"'{name}' has {len(value)} turns: from 1 to {MAX_TURNS} are a conversation.")
    return [_turn(one, name) for one in value]


def turns_text(turns: Sequence[Turn]) -> str:
    """``Speaker: text``, a line for each turn."""
    return "\n".join(f"{turn['speaker']}: {turn['text']}" for turn in turns)


def _turn(value: Any, name: str) -> Turn:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"A turn of '{name}' is no object but {type(value).__name__}.")
    speaker = next((value[field] for field in SPEAKER_FIELDS if value.get(field) is not None), None)
    text = next((value[field] for field in TEXT_FIELDS if value.get(field) is not None), None)
    if isinstance(text, list):
        text = _parts(text, name)
    if not isinstance(speaker, str) or not isinstance(text, str):
        raise InvalidInput(f"A turn of '{name}' needs a speaker (or role) and a text (or content), both texts.")
    speaker = NAMES.get(speaker.strip(), speaker.strip())
    if not 0 < len(speaker) <= MAX_SPEAKER:
        raise InvalidInput(f"A speaker of '{name}' has {len(speaker)} characters: from 1 to {MAX_SPEAKER}.")
    if problem := text_problem(speaker) or text_problem(text):
        raise InvalidInput(f"'{name}': {problem}")
    return {"speaker": speaker, "text": text}


def _parts(parts: list[Any], name: str) -> str:
    """The text of a message that comes in parts; a picture in it could not be shown."""
    if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts):
        raise InvalidInput(f"A message of '{name}' holds something else than text.")
    return "".join(part["text"] for part in parts)
