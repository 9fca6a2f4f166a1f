"""Layouts of rankings made elsewhere: each turns a row of a file into one Comparison, or InvalidInput."""

from collections.abc import Callable, Mapping

from annotation.exceptions import InvalidInput
from annotation.layouts.base import Comparison, comparison_check
from annotation.layouts.datasets import openai, ultrafeedback
from annotation.layouts.plain import rankings
from annotation.layouts.preferences import hh, trl
from annotation.layouts.scores import ratings
from annotation.layouts.tools import argilla, labelstudio
from annotation.layouts.votes import votes
from annotation.readers import BadRow, Row

LAYOUTS: Mapping[str, Callable[[Row], Comparison]] = {
    "rankings": rankings,
    "ratings": ratings,
    "votes": votes,
    "trl": trl,
    "hh": hh,
    "ultrafeedback": ultrafeedback,
    "openai": openai,
    "labelstudio": labelstudio,
    "argilla": argilla,
}


def comparisons_of(layout: str) -> Callable[[Row | BadRow], Comparison]:
    """What put_aside needs: a row's comparison, checked."""
    if layout not in LAYOUTS:
        raise InvalidInput(f"'{layout}' is no layout: {', '.join(LAYOUTS)}.", fields={"layout": ["Unknown layout."]})

    def parse(row: Row | BadRow) -> Comparison:
        if isinstance(row, BadRow):
            raise InvalidInput(row.error)
        return comparison_check(LAYOUTS[layout](row))

    return parse
