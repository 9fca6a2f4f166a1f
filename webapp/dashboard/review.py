"""The review pages' tables: plain rows out of annotation's cases."""

from collections.abc import Iterable
from dataclasses import dataclass

from annotation.models import Ranking
from annotation.review import REASONS, Case, Row
from webapp.dashboard.templatetags.figures import figure


@dataclass(frozen=True)
class QueueRow:
    task: int
    raters: int
    disagreement: float | None
    pairs: int
    reasons: list[str]


@dataclass(frozen=True)
class Rater:
    """One column: how the rater is called, and what taking this ranking posts."""

    name: str
    ranking: Ranking
    order: str


@dataclass(frozen=True)
class Line:
    """One completion: its letter, its text, its place with each rater, its flags, and the place offered."""

    pk: int
    letter: str
    text: str
    places: list[str]
    flags: list[str]
    final: str


@dataclass(frozen=True)
class Table:
    raters: list[Rater]
    lines: list[Line]
    final: Rater | None
    reasons: list[str]
    places: range
    rationales: list[tuple[str, str]]


def queue_rows(rows: Iterable[Row]) -> list[QueueRow]:
    """The queue in words."""
    return [
        QueueRow(row.task, row.raters, row.concern.disagreement, row.concern.pairs, _reasons(row.concern.reasons))
        for row in rows
    ]


def case_table(case: Case) -> Table:
    """Completions down, raters across."""
    completions = sorted(case.task.completions.all(), key=lambda one: one.pk)
    letters = {one.pk: chr(ord("A") + index % 26) for index, one in enumerate(completions)}
    raters = [Rater(f"Rater {number}", one, order(one, letters)) for number, one in enumerate(case.rankings, start=1)]
    final = Rater("Final", case.final, order(case.final, letters)) if case.final else None
    lines = [
        Line(
            one.pk,
            letters[one.pk],
            one.text,
            [_place(rater.ranking, one.pk) for rater in raters],
            [
                f"{rater.name}: {rater.ranking.flags[str(one.pk)]}"
                for rater in raters
                if str(one.pk) in rater.ranking.flags
            ],
            _place(final.ranking, one.pk) if final else "",
        )
        for one in completions
    ]
    said = [(rater.name, rater.ranking.rationale) for rater in raters if rater.ranking.rationale]
    return Table(raters, lines, final, _reasons(case.concern.reasons), range(1, len(completions) + 1), said)


def order(ranking: Ranking, letters: dict[int, str]) -> str:
    """``C > A = D > B``, or that none was acceptable."""
    text = " > ".join(" = ".join(sorted(letters[one] for one in group)) for group in ranking.groups)
    if ranking.none_acceptable:
        return f"{text} (none acceptable)" if text else "none acceptable"
    return text


def groups_as_text(groups: list[list[int]]) -> str:
    """A snapshot's groups of indices, completions by letter."""
    text = " > ".join(" = ".join(chr(ord("A") + index % 26) for index in group) for group in groups)
    return text or "none acceptable"


def _place(ranking: Ranking, completion: int) -> str:
    """1, 2, 2 =: the place, and whether somebody else stands on it."""
    above = 0
    for group in ranking.groups:
        if completion in group:
            return figure(above + 1) + (" =" if len(group) > 1 else "")
        above += len(group)
    return "–"


def _reasons(reasons: Iterable[str]) -> list[str]:
    return [REASONS[reason] for reason in reasons]
