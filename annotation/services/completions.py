"""Completions of other models from files into the project, and the tasks that follow from them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import IO, Any, BinaryIO

from django.db import transaction
from django.db.models import Max

from annotation.importers import (
    COMPLETION_NEEDS,
    CompletionReport,
    ImportReport,
    NewCompletion,
    batches_of,
    completion_of,
    put_aside,
    rows_from,
)
from annotation.models import Completion, Project, Prompt, Task
from annotation.readers import Progress
from annotation.services.audit import import_end
from annotation.services.bulk import rows_insert
from annotation.services.known_prompts import prompts_known
from annotation.services.tasks import tasks_create
from annotation.users import User


def completions_import(
    *,
    project: Project,
    file: BinaryIO | None = None,
    items: Iterable[Mapping[str, Any]] | None = None,
    name: str = "",
    actor: User | None = None,
    dry_run: bool = False,
    limited: bool = True,
    progress: Progress | None = None,
) -> CompletionReport:
    """Import completions: prompt (by ``prompt_id`` or by its text), ``source`` and ``completion``.

    The same words of the same source for the same prompt are a duplicate. Prompts that then have K
    completions become tasks of the newest round at once.
    """
    report = CompletionReport()
    rows = rows_from(file, items, name, COMPLETION_NEEDS, limited=limited, progress=progress)
    with put_aside(rows, completion_of, report) as good:
        return completions_store(
            project=project, good=good, report=report, name=name, actor=actor, dry_run=dry_run, progress=progress
        )


def completions_store(
    *,
    project: Project,
    good: IO[str],
    report: CompletionReport,
    name: str,
    actor: User | None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> CompletionReport:
    """The second half of completions_import: one transaction over what put_aside left in ``good``."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        touched: set[int] = set()
        for batch in batches_of(good, progress):
            touched |= _write(project, [NewCompletion(**values) for values in batch], report)
        report.tasks = _tasks(project, touched, actor)
        import_end(
            verb="completions.import",
            actor=actor,
            project=project,
            name=name,
            report=report,
            dry_run=dry_run,
        )
    return report


def _write(project: Project, batch: list[NewCompletion], report: ImportReport) -> set[int]:
    prompts = _prompts(project, batch)
    said, ordinals = _there(set(prompts.values()), {one.source for one in batch})
    fresh: list[dict[str, Any]] = []
    for new in batch:
        prompt = prompts.get((new.prompt_id, new.prompt_hash))
        if prompt is None:
            wanted = f"the id {new.prompt_id!r}" if new.prompt_id else "this text"
            report.reject(new.line, f"No prompt with {wanted} is in the project: import the prompts first.")
        elif (prompt, new.source, new.text) in said:
            report.repeat(new.line, f"{new.source!r} wrote the same for this prompt already.")
        else:
            said.add((prompt, new.source, new.text))
            fresh.append(_row(new, prompt, ordinals[prompt, new.source]))
            ordinals[prompt, new.source] += 1
    report.created += rows_insert(model=Completion, rows=fresh)
    return {row["prompt_id"] for row in fresh}


def _there(prompts: set[int], sources: set[str]) -> tuple[set[tuple[int, str, str]], Counter[tuple[int, str]]]:
    """What these sources wrote for these prompts, and the next ordinal of each source and prompt."""
    said: set[tuple[int, str, str]] = set()
    ordinals: Counter[tuple[int, str]] = Counter()
    known = Completion.objects.filter(prompt__in=prompts, source__in=sources)
    for prompt, source, text, ordinal in known.values_list("prompt_id", "source", "text", "ordinal"):
        said.add((prompt, source, text))
        ordinals[prompt, source] = max(ordinals[prompt, source], ordinal + 1)
    return said, ordinals


def _row(new: NewCompletion, prompt: int, ordinal: int) -> dict[str, Any]:
    return {"prompt_id": prompt, "source": new.source, "ordinal": ordinal, "text": new.text, "backend": "imported"}


def _prompts(project: Project, batch: list[NewCompletion]) -> dict[tuple[str, str], int]:
    """(external id, "") and ("", content hash) to the prompt's key."""
    ids = {new.prompt_id for new in batch} - {""}
    hashes = {new.prompt_hash for new in batch} - {""}
    found: dict[tuple[str, str], int] = {}
    for prompt in prompts_known(project=project, identities=ids, contents=hashes):
        found[prompt.identity, ""] = prompt.pk
        found["", prompt.content_hash] = prompt.pk
    return found


def _tasks(project: Project, prompts: set[int], actor: User | None) -> int:
    if not prompts:
        return 0
    newest = Task.objects.filter(project=project).aggregate(newest=Max("round_number"))["newest"] or 0
    made = (Prompt(pk=key) for key in sorted(prompts))
    return tasks_create(project=project, prompts=made, round_number=newest, actor=actor)
