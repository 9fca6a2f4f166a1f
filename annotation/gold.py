"""How people did on gold, and how gold did on people: a gold task that nobody gets right is itself wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, Q, QuerySet

from annotation.bootstrap import MINIMUM, Figure, wilson
from annotation.gold_and_repeats import pairs_right
from annotation.models import AssignmentState, Project, Ranking, Task, TaskKind

COIN = 0.5
Verdict = Literal["too few", "doubtful", "fine"]


@dataclass
class Score:
    """Known pairs that were ranked, and how many of them the right way round. A tie is not right.

    Of the ``tasks`` that were answered, ``decided`` ranked any known pair: none acceptable ranks nothing.
    """

    tasks: int = 0
    decided: int = 0
    pairs: int = 0
    right: int = 0

    @property
    def share(self) -> float | None:
        return self.right / self.pairs if self.pairs else None

    def add(self, pairs: int, right: int) -> None:
        self.tasks += 1
        self.decided += pairs > 0
        self.pairs += pairs
        self.right += right


@dataclass(frozen=True)
class Standing:
    """One annotator on gold. ``passed`` is None until they have ranked ``gold_before_trust`` tasks of it."""

    score: Score
    passed: bool | None


@dataclass(frozen=True)
class GoldRow:
    """One gold task and how people did on it."""

    task: Task
    score: Score
    skips: int

    @property
    def share(self) -> Figure | None:
        """Of the known pairs that were ranked, those the right way round; Wilson's interval, n = answers."""
        share = self.score.share
        return None if share is None else wilson(share, self.score.decided)

    @property
    def known(self) -> list[tuple[str, str]]:
        """The known pairs as texts: (better, worse)."""
        texts = {one.pk: one.text for one in self.task.completions.all()}
        return [(texts[better], texts[worse]) for better, worse in self.task.gold or ()]

    @property
    def verdict(self) -> Verdict:
        """``doubtful`` where people are wrong more often than a coin would be: then the gold is, not they."""
        if self.share is None or self.share.n < MINIMUM:
            return "too few"
        return "doubtful" if self.share.high < COIN else "fine"

    @property
    def retired(self) -> bool:
        return self.task.wanted_raters == 0


def gold_standings(project: Project) -> dict[int, Standing]:
    """How each annotator did on the project's gold, by user id; in one query."""
    scores: dict[int, Score] = {}
    for annotator, _, groups, method, known in _answers(project):
        scores.setdefault(annotator, Score()).add(*pairs_right(groups, known, method=method))
    return {annotator: Standing(score, _passed(project, score)) for annotator, score in scores.items()}


def gold_rows(project: Project) -> list[GoldRow]:
    """The project's gold, newest first, with how people did on each task; in three queries."""
    scores: dict[int, Score] = {}
    for _, task, groups, method, known in _answers(project):
        scores.setdefault(task, Score()).add(*pairs_right(groups, known, method=method))
    skips = Count("assignments", filter=Q(assignments__state=AssignmentState.SKIPPED))
    tasks = _gold(project).select_related("prompt").prefetch_related("completions").annotate(skips=skips)
    return [GoldRow(task, scores.get(task.pk, Score()), task.skips) for task in tasks.order_by("-pk")]


def _gold(project: Project) -> QuerySet[Task]:
    # As index task_gold says it: there may be a million other tasks.
    return Task.objects.filter(project=project, gold__isnull=False, kind=TaskKind.GOLD)


def _answers(project: Project) -> Iterator[tuple[int, int, list[list[int]], str, list[list[int]]]]:
    rows = Ranking.objects.filter(assignment__task__in=_gold(project), is_current=True).order_by("id")
    fields = ("annotator_id", "assignment__task_id", "groups", "method", "assignment__task__gold")
    for annotator, task, groups, method, known in rows.values_list(*fields):
        yield annotator, task, groups, method, known or []


def _passed(project: Project, score: Score) -> bool | None:
    if score.share is None or score.tasks < project.gold_before_trust:
        return None
    return score.share >= project.gold_pass
