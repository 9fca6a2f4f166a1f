"""The tasks, assignments, rankings and pairs of rankings made elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from django.utils import timezone

from annotation.importers import RankingReport
from annotation.layouts.base import Comparison, Opinion
from annotation.models import (
    Assignment,
    AssignmentEvent,
    AssignmentState,
    PreferencePair,
    Project,
    Prompt,
    Ranking,
    RankingOrigin,
    Task,
    TaskKind,
    TaskState,
)
from annotation.ranking import Answer
from annotation.services.bulk import keys_take, rows_insert
from annotation.services.pairs import pair_rows
from annotation.services.rankings import answer_as_json

CONTENT = ("groups", "strengths", "none_acceptable", "ratings")
TaskKey: TypeAlias = frozenset[int]  # the completions' ids; they belong to one prompt
Content: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class _Label:
    """A ranking that will be written, with the task it belongs to."""

    task: Task
    prompt: Prompt
    annotator: int
    order: list[int]  # the completions' ids in the order of the file
    groups: list[list[int]]
    opinion: Opinion
    values: dict[str, Any]  # the ranking's columns


def labels_store(
    *,
    project: Project,
    comparisons: Sequence[Comparison],
    prompts: Mapping[int, Prompt],
    texts: Mapping[int, Sequence[int]],
    raters: Mapping[str, int],
    name: str,
    report: RankingReport,
) -> None:
    """Write what these lines say and is not there yet; ``prompts`` and ``texts`` (ids of completions) are by line."""
    labels = _labels(project, comparisons, prompts, texts, raters, report)
    tasks = {id(label.task): label for label in labels}
    _tasks_save(list(tasks.values()), report)
    assignments = keys_take(model=Assignment, count=len(labels))
    now = timezone.now()
    rows_insert(
        model=Assignment,
        rows=(_assignment(label, now) | {"id": key} for label, key in zip(labels, assignments, strict=True)),
    )
    rows_insert(
        model=AssignmentEvent,
        rows=({"assignment_id": key, "old": "", "new": str(AssignmentState.SUBMITTED)} for key in assignments),
    )
    rankings = keys_take(model=Ranking, count=len(labels))
    rows = [
        _ranking(label, project, name) | {"id": key, "assignment_id": assignment}
        for label, assignment, key in zip(labels, assignments, rankings, strict=True)
    ]
    report.created += rows_insert(model=Ranking, rows=rows)
    ties = 0

    def pairs() -> Iterator[dict[str, Any]]:
        nonlocal ties
        for label, row in zip(labels, rows, strict=True):
            for pair in pair_rows(Ranking(**row, prompt=label.prompt)):
                ties += pair["tie"]
                yield pair

    written = rows_insert(model=PreferencePair, rows=pairs())
    report.tied_pairs += ties
    report.strict_pairs += written - ties


def _labels(
    project: Project,
    comparisons: Sequence[Comparison],
    prompts: Mapping[int, Prompt],
    texts: Mapping[int, Sequence[int]],
    raters: Mapping[str, int],
    report: RankingReport,
) -> list[_Label]:
    """The rankings that are not there yet, under tasks whose places are counted; new tasks are not saved."""
    tasks, said = _there({prompts[one.line].pk for one in comparisons})
    labels: list[_Label] = []
    for one in comparisons:
        ids = texts[one.line]
        for opinion in one.opinions:
            groups = [[ids[place] for place in group] for group in opinion.groups]
            placed = {place for group in opinion.groups for place in group} or range(len(ids))
            order = [ids[place] for place in sorted(placed)]
            key, values = frozenset(order), _values(opinion, groups, ids)
            said_by = (key, raters[opinion.rater])
            earlier = said.get(said_by)
            if earlier is None:
                said[said_by] = _content(values)
                task = tasks[key] = tasks.get(key) or _task(project, prompts[one.line])
                task.wanted_raters = task.taken = task.taken + 1
                labels.append(_Label(task, prompts[one.line], said_by[1], order, groups, opinion, values))
            elif earlier == _content(values):
                report.repeat(one.line, f"The ranking by {opinion.rater!r} is there already.")
            else:
                report.changed += 1
                report.reject(
                    one.line, f"{opinion.rater!r} ranked these completions otherwise already: nothing was changed."
                )
    return labels


def _there(prompts: set[int]) -> tuple[dict[TaskKey, Task], dict[tuple[TaskKey, int], Content]]:
    """The imported tasks of these prompts, and what each annotator said of them last."""
    rows = Task.objects.filter(prompt__in=prompts, kind=TaskKind.IMPORTED)
    known = {task.pk: task for task in rows}
    if not known:
        return {}, {}
    members: dict[int, list[int]] = {}
    through = Task.completions.through.objects.filter(task__in=rows)
    for task, completion in through.values_list("task_id", "completion_id"):
        members.setdefault(task, []).append(completion)
    keys = {task: frozenset(completions) for task, completions in members.items()}
    rankings = Ranking.objects.filter(prompt__in=prompts, kind=TaskKind.IMPORTED).order_by("revision")
    said = {
        (keys[values["assignment__task_id"]], values["annotator_id"]): _content(values)
        for values in rankings.values("assignment__task_id", "annotator_id", *CONTENT)
    }
    return {keys[task]: known[task] for task in keys}, said


def _content(values: Mapping[str, Any]) -> Content:
    """What makes two rankings the same; the order within a tie says nothing."""
    return ([sorted(group) for group in values["groups"]], *(values[name] for name in CONTENT[1:]))


def _values(opinion: Opinion, groups: list[list[int]], ids: Sequence[int]) -> dict[str, Any]:
    """The ranking's columns. Ratings on other scales than 1 to 5 are kept as they are."""
    answer = Answer(
        groups,
        opinion.strengths,
        opinion.none_acceptable,
        rationale=opinion.rationale,
        duration_ms=opinion.duration_ms,
    )
    ratings = {name: {str(ids[place]): of[place] for place in of} for name, of in opinion.ratings.items()}
    return answer_as_json(answer) | {"ratings": ratings}


def _task(project: Project, prompt: Prompt) -> Task:
    return Task(
        project_id=project.pk, prompt_id=prompt.pk, kind=TaskKind.IMPORTED, state=TaskState.CLOSED, wanted_raters=0
    )


def _tasks_save(labels: Iterable[_Label], report: RankingReport) -> None:
    """Tasks that are there get their new places, the others their completions; one label for each task."""
    Task.objects.bulk_update([label.task for label in labels if label.task.pk], ["wanted_raters", "taken"])
    fresh = [label for label in labels if not label.task.pk]
    report.tasks += len(Task.objects.bulk_create([label.task for label in fresh]))
    rows_insert(
        model=Task.completions.through,
        rows=({"task_id": label.task.pk, "completion_id": completion} for label in fresh for completion in label.order),
    )


def _assignment(label: _Label, now: datetime) -> dict[str, Any]:
    return {
        "task_id": label.task.pk,
        "prompt_id": label.prompt.pk,
        "annotator_id": label.annotator,
        "state": str(AssignmentState.SUBMITTED),
        "display_order": label.order,
        "leased_at": now,
        "lease_expires": now,
    }


def _ranking(label: _Label, project: Project, name: str) -> dict[str, Any]:
    return {
        "project_id": project.pk,
        "prompt_id": label.prompt.pk,
        "annotator_id": label.annotator,
        "kind": str(TaskKind.IMPORTED),
        "origin": str(RankingOrigin.IMPORTED),
        "batch": name,
        "rater_group": label.opinion.group,
        **label.values,
    }
