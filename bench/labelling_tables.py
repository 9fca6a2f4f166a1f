"""A project of any size, made inside the database, and what must hold in it; Django is set up by who imports this."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.db.models import Count, F, Model, Q
from django.utils import timezone

from annotation.models import (
    Assignment,
    AssignmentEvent,
    AssignmentState,
    Completion,
    IdempotentRequest,
    PreferencePair,
    Project,
    Prompt,
    Ranking,
    Task,
    TaskKind,
    TaskState,
)
from annotation.services import annotators_add, project_create
from bench.labelling_crowd import PROJECT

TEXT = "Anna: Shall we meet for lunch at the harbour tomorrow?\nTom: Fine, but not before one o'clock.\n"
TEXTS = ("They meet for lunch.", "Anna and Tom meet at one.", "Tom has lunch.", "They meet tomorrow after one.")


def fill(*, prompts: int, people: int, raters: int, strategy: str) -> list[str]:
    """``prompts`` prompts with four completions and a task each, and ``people`` annotators; their tokens.

    One of each is made by the ORM and multiplied by the database, which takes a million in a minute.
    """
    project = project_create(actor=None, slug=PROJECT, name="Labelling", strategy=strategy)
    prompt = Prompt.objects.create(project=project, identity="p0", external_id="p0", text=TEXT * 6, split="train")
    for source, text in enumerate(TEXTS):
        Completion.objects.create(prompt=prompt, source=f"s{source}", text=text * 3)
    task = Task.objects.create(project=project, prompt=prompt, wanted_raters=raters, lot=0.5, score=0.5)
    lot = "(random() / 18446744073709551616.0 + 0.5)" if connection.vendor == "sqlite" else "random()"
    _copy(Prompt, {"identity": "'p' || n.i", "external_id": "'p' || n.i", "text": "t.text || n.i"}, _numbers(prompts))
    others = f"CROSS JOIN annotation_prompt p WHERE p.id <> {prompt.pk}"
    _copy(Completion, {"prompt_id": "p.id"}, others)
    _copy(Task, {"prompt_id": "p.id", "lot": lot, "score": lot}, f"{others} AND t.id = {task.pk} ORDER BY p.id")
    through = Task.completions.through._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {through} (task_id, completion_id) SELECT t.id, c.id FROM annotation_task t "
            "JOIN annotation_completion c ON c.prompt_id = t.prompt_id"
        )
    tokens = [one["token"] for one in annotators_add(project=project, count=people)]
    _settle()
    return tokens


def clear() -> None:
    """As if nobody had ranked anything yet."""
    repeats = Task.objects.filter(kind=TaskKind.REPEAT)
    with transaction.atomic():
        Task.completions.through.objects.filter(task__in=repeats).delete()
        for model in (PreferencePair, Ranking, AssignmentEvent, Assignment, IdempotentRequest):
            model._base_manager.all()._raw_delete(DEFAULT_DB_ALIAS)
        repeats._raw_delete(DEFAULT_DB_ALIAS)
        Task.objects.filter(taken__gt=0).update(taken=0, state=TaskState.OPEN)
    _settle()


def _settle() -> None:
    """What the database does by itself after so many rows, now, and not in the middle of what is measured."""
    statements = ["VACUUM (ANALYZE)", "CHECKPOINT"] if connection.vendor == "postgresql" else ["ANALYZE"]
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _numbers(prompts: int) -> str:
    return (
        f"CROSS JOIN (WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < {prompts - 1}) "
        "SELECT i FROM k) n"
    )


def _copy(model: type[Model], changed: dict[str, str], source: str) -> None:
    """INSERT … SELECT of the table's rows (as ``t``) with some columns changed."""
    table = model._meta.db_table
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    quoted = ", ".join(connection.ops.quote_name(column) for column in columns)
    values = ", ".join(changed.get(column, f"t.{connection.ops.quote_name(column)}") for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} t {source}")


def look() -> dict[str, Any]:
    """Rankings as (id, assignment), and how many tasks or people are not as they must be."""
    project = Project.objects.get(slug=PROJECT)
    held = Q(assignments__state__in=[AssignmentState.LEASED, AssignmentState.SUBMITTED])
    touched = Task.objects.filter(project=project, assignments__isnull=False, kind=TaskKind.RANK).distinct()
    counted = touched.annotate(held=Count("assignments", filter=held, distinct=True))
    met = Assignment.objects.filter(task__project=project, task__kind=TaskKind.RANK).values("prompt", "annotator")
    return {
        "at": timezone.now().isoformat(),
        "rankings": list(Ranking.objects.filter(project=project).values_list("id", "assignment_id")),
        "beyond": counted.filter(held__gt=F("wanted_raters")).count(),
        "miscounted": counted.exclude(held=F("taken")).count(),
        "met_twice": met.annotate(times=Count("id")).filter(times__gt=1).count(),
    }
