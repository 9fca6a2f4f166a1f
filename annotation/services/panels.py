"""Win-rate panels: two systems' texts for the same prompts, blind, inside people's normal work."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max, QuerySet

from annotation.exceptions import InvalidInput
from annotation.models import Completion, Project, Prompt, Split, Task, TaskKind
from annotation.services.audit import audit_record
from annotation.services.tasks import MAX_PRIORITY, share_of
from annotation.users import User

BATCH = 500


def panel_create(
    *,
    project: Project,
    new: str,
    old: str,
    count: int,
    split: Split | str | None = None,
    wanted_raters: int = 1,
    priority: int = 0,
    actor: User | None,
) -> int:
    """At most ``count`` tasks of two completions each, one of the source ``new`` and one of ``old``; how many.

    Prompts are drawn by hash, from ``split`` or all, among those for which both have written and which have no task
    of this pair yet: making a panel larger goes on where it ended. Nothing is asked where both wrote the same words.
    """
    _check(project, new, old, count, wanted_raters, priority, split)
    with transaction.atomic():
        # In a row, so that two calls do not take the same prompts.
        Project.objects.select_for_update().get(pk=project.pk)
        newest = Task.objects.filter(project=project).aggregate(newest=Max("round_number"))["newest"] or 0
        chosen = _chosen(project, new, old, split)[:count]
        for start in range(0, len(chosen), BATCH):
            _make(project, chosen[start : start + BATCH], wanted_raters, priority, newest)
        audit_record(
            verb="panel.create", actor=actor, project=project, target=f"{new} against {old}"[:200], count=len(chosen)
        )
    return len(chosen)


def panel_prompts(project: Project, new: str, old: str) -> set[int]:
    """The prompts that have a panel task of these two sources."""
    tasks = Task.objects.filter(project=project, kind=TaskKind.PANEL, completions__source=new)
    return set(tasks.filter(pk__in=_tasks_of(project, old)).values_list("prompt_id", flat=True))


def _tasks_of(project: Project, source: str) -> QuerySet[Task, tuple[int]]:
    return Task.objects.filter(project=project, kind=TaskKind.PANEL, completions__source=source).values_list("pk")


def _chosen(project: Project, new: str, old: str, split: str | None) -> list[tuple[str, int, list[int]]]:
    """(identity, prompt, its two completions) in the order of a draw that is the same on any database."""
    prompts = Prompt.objects.filter(project=project, **({"split": split} if split else {}))
    texts: dict[int, dict[str, tuple[int, str]]] = {}
    rows = Completion.objects.filter(prompt__in=prompts, source__in=[new, old]).order_by(
        "prompt_id", "source", "-ordinal"
    )
    for prompt, source, pk, text in rows.values_list("prompt_id", "source", "pk", "text").iterator(chunk_size=2000):
        texts.setdefault(prompt, {})[source] = (pk, text.strip())  # the lowest ordinal comes last, and stays
    there = panel_prompts(project, new, old)
    names = dict(prompts.values_list("pk", "identity").iterator(chunk_size=2000))
    found = [
        (names[prompt], prompt, sorted(pk for pk, _ in pair.values()))
        for prompt, pair in texts.items()
        if len(pair) == 2 and prompt not in there and len({text for _, text in pair.values()}) == 2
    ]
    purpose = f"panel:{new}:{old}"
    return sorted(found, key=lambda row: share_of(purpose, identity=row[0], project=project))


def _make(
    project: Project, rows: Sequence[tuple[str, int, list[int]]], wanted_raters: int, priority: int, newest: int
) -> None:
    tasks = Task.objects.bulk_create(
        Task(
            project=project,
            prompt_id=prompt,
            kind=TaskKind.PANEL,
            wanted_raters=wanted_raters,
            priority=priority,
            round_number=newest,
            lot=share_of("lot:panel", identity=identity, project=project),
        )
        for identity, prompt, _ in rows
    )
    through = Task.completions.through
    through.objects.bulk_create(
        through(task_id=task.pk, completion_id=completion)
        for task, (_, _, pair) in zip(tasks, rows, strict=True)
        for completion in pair
    )


def _check(
    project: Project, new: str, old: str, count: int, wanted_raters: int, priority: int, split: str | None
) -> None:
    fields: dict[str, list[str]] = {}
    if new == old:
        fields["old"] = ["A panel is of two different sources."]
    for name, source in (("new", new), ("old", old)):
        if not Completion.objects.filter(prompt__project=project, source=source).exists():
            fields.setdefault(name, [f"Nothing here was written by {source!r}."])
    if split and split not in Split.values:
        fields["split"] = [f"{split!r} is no split: {', '.join(Split.values)}."]
    for name, value, low, high in (
        ("count", count, 1, 100_000),
        ("wanted_raters", wanted_raters, 1, 9),
        ("priority", priority, -MAX_PRIORITY, MAX_PRIORITY),
    ):
        if not low <= value <= high:
            fields[name] = [f"{value}: from {low} to {high}."]
    if fields:
        raise InvalidInput(" ".join(messages[0] for messages in fields.values()), fields=fields)
