"""Tasks that test the annotator and not the texts, mixed in unseen: gold, and earlier tasks once more.

Whether and which is drawn by hash of the project's salt, the person and their latest task: as good as random for
the person, the same when it is asked again, and without a look at how much they have done.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, FilteredRelation, OuterRef, Q

from annotation.models import (
    PLACED_KINDS,
    Assignment,
    AssignmentState,
    Project,
    Ranking,
    Task,
    TaskKind,
    TaskState,
)
from annotation.prepared import Select, key
from annotation.users import User

BEFORE_TRUST = 0.5  # share of gold among a new annotator's tasks: mixed, so that no block of it stands out
REPEAT_AFTER = 20  # rankings between a task and its repeat, at least: fewer, and people remember what they said
REPEAT_AMONG = 200  # rankings before those, of which one comes again

GOLD = Select(lambda: Task.objects.filter(project=key("project"), gold__isnull=False).values_list("pk")[:1])


@dataclass(frozen=True)
class Lot:
    """One request's random numbers."""

    project: Project
    annotator: User
    latest: int  # the id of the person's latest assignment; 0 before the first

    def chance(self, purpose: str) -> float:
        """From 0 to 1, its own for each purpose."""
        name = f"{purpose}:{self.project.split_salt}:{self.annotator.pk}:{self.latest}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64


@dataclass(frozen=True)
class Check:
    """A task to assign, in ``order`` if that is fixed, or the person's own lease that ran out."""

    task: Task | None = None
    order: Sequence[int] | None = None
    again: Assignment | None = None


def check_draw(lot: Lot) -> Check | None:
    """What this request gets in place of a task to learn from; mostly nothing."""
    return _gold(lot) or _repeat(lot)


def _gold(lot: Lot) -> Check | None:
    """Half of the tasks until the person has ranked ``gold_before_trust``, then a share of ``gold_share``."""
    project = lot.project
    chance = lot.chance("gold")
    if chance >= max(project.gold_share, BEFORE_TRUST if project.gold_before_trust else 0):
        return None
    if not GOLD(project=project.pk):
        return None
    # Index ``task_gold`` holds gold alone: the cost depends on how much gold there is.
    rows = Task.objects.filter(project=project, gold__isnull=False)
    mine = FilteredRelation("assignments", condition=Q(assignments__annotator=lot.annotator))
    met = Assignment.objects.filter(prompt=OuterRef("prompt"), annotator=lot.annotator)
    rows = rows.annotate(mine=mine, met=Exists(met)).order_by("pk")
    gold = list(rows.values_list("pk", "wanted_raters", "mine__state", "mine__pk", "met"))
    answered = sum(state == AssignmentState.SUBMITTED for _, _, state, _, _ in gold)
    if answered >= project.gold_before_trust and chance >= project.gold_share:
        return None
    offered = [
        (task, assignment if state == AssignmentState.EXPIRED else None)
        for task, wanted, state, assignment, met_before in gold
        if wanted and (state == AssignmentState.EXPIRED or not met_before)
    ]
    if not offered:
        return None
    task, assignment = offered[int(lot.chance("which gold") * len(offered))]
    if assignment is not None:
        return Check(again=Assignment.objects.select_related("task", "prompt").get(pk=assignment))
    return Check(task=Task.objects.select_related("prompt").get(pk=task))


def _repeat(lot: Lot) -> Check | None:
    """One of the person's earlier rankings as a new task, its completions in reverse."""
    if lot.chance("repeat") >= lot.project.repeat_share:
        return None
    mine = Ranking.objects.filter(annotator=lot.annotator, project=lot.project, is_current=True, kind__in=PLACED_KINDS)
    fresh = mine.filter(~Exists(Task.objects.filter(repeats=OuterRef("assignment")))).order_by("-id")
    offered = list(fresh.values_list("assignment_id", flat=True)[REPEAT_AFTER : REPEAT_AFTER + REPEAT_AMONG])
    if not offered:
        return None
    pk = offered[int(lot.chance("which repeat") * len(offered))]
    earlier = Assignment.objects.select_related("task", "prompt").get(pk=pk)
    task = Task.objects.create(
        project=lot.project,
        prompt=earlier.prompt,
        kind=TaskKind.REPEAT,
        state=TaskState.CLOSED,
        repeats=earlier,
        round_number=earlier.task.round_number,
    )
    task.completions.set(earlier.display_order)
    return Check(task=task, order=earlier.display_order[::-1])
