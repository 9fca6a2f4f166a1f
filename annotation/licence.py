"""The data's licence as dataset cards state it."""

import json
import re

UNKNOWN = "unknown"  # the cards' word where the project states none
MAX_LICENSE = 200


def licence_yaml(licence: str) -> str:
    """For a card's front matter: a quoted scalar (JSON's strings are YAML's), so that no text adds a field."""
    return json.dumps(licence, ensure_ascii=False) if licence and licence != UNKNOWN else UNKNOWN


def licence_words(licence: str) -> str:
    """For a card's text: one line of Markdown in which nothing has a meaning; or that none was stated."""
    if not licence or licence == UNKNOWN:
        return "no licence was stated: say which it has before you publish it"
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", licence)


def licence_problem(licence: str) -> str | None:
    """Why a project cannot state this; None when it can."""
    if not licence.isprintable():
        return "The licence is one line, such as CC-BY-4.0."
    return None
