"""What a text may hold, and when two texts are the same."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def text_problem(text: str) -> str | None:
    """Why no database and no UTF-8 file could hold ``text``; None when they can."""
    if "\x00" in text:
        return "The text holds a NUL character."
    if not text.isascii() and (found := _SURROGATE.search(text)):
        return f"The text holds half of a surrogate pair (U+{ord(found.group()):04X}): it is no Unicode text."
    return None


def json_problem(value: Any) -> str | None:
    """The first text_problem anywhere in a JSON value, keys included."""
    if isinstance(value, str):
        return text_problem(value)
    inside: Iterable[Any] = ()
    if isinstance(value, dict):
        inside = [*value, *value.values()]
    elif isinstance(value, list):
        inside = value
    return next((problem for one in inside if (problem := json_problem(one))), None)


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def content_hash(text: str) -> str:
    """What makes two texts the same text: sha256 over UTF-8 in Unicode's normal form C."""
    return hashlib.sha256(nfc(text).encode()).hexdigest()
