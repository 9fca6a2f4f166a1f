"""The review pages' tables: plain rows out of annotation's cases."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.text import Truncator

from annotation.models import Ranking
from annotation.review import REASONS, Case, Row, prompt_starts
from webapp.dashboard.decision import BETTER, STRENGTH_NAMES, Choice
from webapp.dashboard.templatetags.figures import figure

SIGNS = {1: "≳", BETTER: ">", 3: "≫"}  # as the ranking page has them
PREVIEW = 120


@dataclass(frozen=True)
class QueueRow:
    task: int
    prompt: str
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
    """One completion: its letter, its text, by rater its place, its flags, its final place, and the one chosen."""

    pk: int
    letter: str
    text: str
    places: list[tuple[str, str]]
    flags: list[str]
    final: str
    chosen: int


@dataclass(frozen=True)
class Boundary:
    """A place and how much better than the next one it is said to be."""

    place: int
    chosen: int


@dataclass(frozen=True)
class Table:
    raters: list[Rater]
    lines: list[Line]
    final: Rater | None
    reasons: list[str]
    places: range
    rationales: list[tuple[str, str]]
    boundaries: list[Boundary]
    strength_names: dict[int, str]

    @property
    def graded(self) -> bool:
        """Somebody said how much better: the signs need their words."""
        return any(one.ranking.strengths for one in (*self.raters, *([self.final] if self.final else [])))


def queue_rows(rows: Iterable[Row]) -> list[QueueRow]:
    """The queue in words, with how each prompt begins."""
    rows = list(rows)
    starts = prompt_starts(task_ids=[row.task for row in rows], length=2 * PREVIEW)
    return [
        QueueRow(
            row.task,
            Truncator(" ".join(starts.get(row.task, "").split())).chars(PREVIEW),
            row.raters,
            row.concern.disagreement,
            row.concern.pairs,
            _reasons(row.concern.reasons),
        )
        for row in rows
    ]


def case_table(case: Case, choice: Choice | None = None) -> Table:
    """Completions down, raters across; ``choice`` is what stands in the form already."""
    choice = choice or Choice()
    completions = sorted(case.task.completions.all(), key=lambda one: one.pk)
    letters = {one.pk: chr(ord("A") + index % 26) for index, one in enumerate(completions)}
    raters = [Rater(f"Rater {number}", one, order(one, letters)) for number, one in enumerate(case.rankings, start=1)]
    final = Rater("Final", case.final, order(case.final, letters)) if case.final else None
    lines = [
        Line(
            one.pk,
            letters[one.pk],
            one.text,
            [(rater.name, _place(rater.ranking, one.pk)) for rater in raters],
            [
                f"{rater.name}: {rater.ranking.flags[str(one.pk)]}"
                for rater in raters
                if str(one.pk) in rater.ranking.flags
            ],
            _place(final.ranking, one.pk) if final else "",
            choice.places.get(one.pk, 0),
        )
        for one in completions
    ]
    said = [(rater.name, rater.ranking.rationale) for rater in raters if rater.ranking.rationale]
    places = range(1, len(completions) + 1)
    boundaries = [Boundary(place, choice.strengths.get(place, BETTER)) for place in places[:-1]]
    reasons = _reasons(case.concern.reasons)
    return Table(raters, lines, final, reasons, places, said, boundaries, STRENGTH_NAMES)


def order(ranking: Ranking, letters: dict[int, str]) -> str:
    """``C ≫ A = D > B``, or that none was acceptable."""
    groups = [" = ".join(sorted(letters[one] for one in group)) for group in ranking.groups]
    signs = ["", *(f" {SIGNS[one]} " for one in ranking.strengths or [BETTER] * (len(groups) - 1))]
    text = "".join(sign + group for sign, group in zip(signs, groups, strict=False))
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
