"""How people did on gold, and how gold did on people: a gold task that nobody gets right is itself wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, Q, QuerySet

from annotation.bootstrap import MINIMUM, Figure, wilson
from annotation.gold_and_repeats import GoldAnswer, GoldResult, Score, gold_results
from annotation.models import AssignmentState, Project, Ranking, Task, TaskKind

COIN = 0.5
Verdict = Literal["too few", "doubtful", "fine"]


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
        return None if share is None else wilson(share, self.score.tasks)

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


def gold_standings(project: Project) -> dict[str, GoldResult]:
    """How each annotator did on the project's gold, by username; in one query."""
    return gold_results(gold_answers(project), needed=project.gold_pass, before_trust=project.gold_before_trust)


def gold_answers(project: Project) -> list[GoldAnswer]:
    """What people said of the project's gold; in one query."""
    return [answer for _, answer in _answers(project)]


def gold_rows(project: Project) -> list[GoldRow]:
    """The project's gold, newest first, with how people did on each task; in three queries."""
    scores: dict[int, Score] = {}
    for task, answer in _answers(project):
        scores.setdefault(task, Score()).add(answer)
    skips = Count("assignments", filter=Q(assignments__state=AssignmentState.SKIPPED))
    tasks = _gold(project).select_related("prompt").prefetch_related("completions").annotate(skips=skips)
    return [GoldRow(task, scores.get(task.pk, Score()), task.skips) for task in tasks.order_by("-pk")]


def _gold(project: Project) -> QuerySet[Task]:
    # As index task_gold says it: there may be a million other tasks.
    return Task.objects.filter(project=project, gold__isnull=False, kind=TaskKind.GOLD)


def _answers(project: Project) -> Iterator[tuple[int, GoldAnswer]]:
    rows = Ranking.objects.filter(assignment__task__in=_gold(project), is_current=True).order_by("id")
    fields = ("annotator__username", "groups", "assignment__task__gold", "method")
    for task, name, groups, known, method in rows.values_list("assignment__task_id", *fields):
        yield task, GoldAnswer(name, groups, known, method)
