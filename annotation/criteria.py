"""Do people agree on each criterion's ratings? Krippendorff's ordinal alpha, raters as coders."""

from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from annotation.bootstrap import MINIMUM, RESAMPLES, Figure
from annotation.measures import alpha_figure

_COLUMNS = 5  # criterion, group, prompt, completion, rating


@dataclass
class Ratings:
    """Ratings as one flat column of numbers, five for each rating: a hundred thousand rankings fit into memory.

    Imported ratings may have halves, so all are floats; ids are exact in them up to 2^53.
    """

    names: dict[str, int] = field(default_factory=dict)  # criterion → code
    groups: dict[str, int] = field(default_factory=dict)  # rater group → code
    cells: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, *, prompt: int, group: str, ratings: Mapping[str, Mapping[str, float]]) -> None:
        """One ranking's ``{criterion: {completion id: rating}}``, as the database holds it."""
        code = self.groups.setdefault(group, len(self.groups))
        for name, given in ratings.items():
            criterion = self.names.setdefault(name, len(self.names))
            for completion, rating in given.items():
                self.cells.extend((criterion, code, prompt, int(completion), rating))


@dataclass(frozen=True)
class Criterion:
    """``alpha_ordinal`` with n = prompts; ``completions`` that two people rated or more."""

    alpha_ordinal: Figure | None
    completions: int


def criteria(
    ratings: Ratings,
    *,
    groups: Collection[str] | None = None,
    seed: int = 0,
    minimum: int = MINIMUM,
    resamples: int = RESAMPLES,
) -> dict[str, Criterion]:
    """By criterion, in order of name; of the raters in ``groups`` alone where given.

    Units are (prompt, completion); a scale is the ratings that were given, in their order.
    """
    table = np.array(ratings.cells, dtype=np.float64).reshape(-1, _COLUMNS)
    if groups is not None:
        wanted = [code for name, code in ratings.groups.items() if name in groups]
        table = table[np.isin(table[:, 1], wanted)]
    found = {}
    for name, code in sorted(ratings.names.items()):
        rows = table[table[:, 0] == code]
        if not len(rows):
            continue
        values, value = np.unique(rows[:, 4], return_inverse=True)
        units, first, unit = np.unique(rows[:, 3], return_index=True, return_inverse=True)  # an id has one prompt
        counts = np.bincount(unit * len(values) + value, minlength=len(units) * len(values)).reshape(len(units), -1)
        figure = alpha_figure(
            counts,
            rows[first, 2],
            values,
            "ordinal",
            seed=seed,
            minimum=minimum,
            resamples=resamples,
        )
        found[name] = Criterion(figure, int((counts.sum(axis=1) >= 2).sum()))
    return found
