"""Layouts of rankings made elsewhere: each turns a row of a file into one Comparison, or InvalidInput."""

from collections.abc import Callable, Mapping

from annotation.exceptions import InvalidInput
from annotation.layouts.base import Comparison, comparison_check
from annotation.layouts.scores import ratings
from annotation.layouts.votes import votes
from annotation.readers import BadRow, Row

LAYOUTS: Mapping[str, Callable[[Row], Comparison]] = {"ratings": ratings, "votes": votes}


def comparisons_of(layout: str) -> Callable[[Row | BadRow], Comparison]:
    """What put_aside needs: a row's comparison, checked."""
    if layout not in LAYOUTS:
        raise InvalidInput(f"'{layout}' is no layout: {', '.join(LAYOUTS)}.", fields={"layout": ["Unknown layout."]})

    def parse(row: Row | BadRow) -> Comparison:
        if isinstance(row, BadRow):
            raise InvalidInput(row.error)
        return comparison_check(LAYOUTS[layout](row))

    return parse
