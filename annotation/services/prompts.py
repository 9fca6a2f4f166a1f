"""Prompts from files into the project.

Good lines of a file with bad lines are imported, all in one transaction; a file that cannot be read
to its end imports nothing.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import IO, Any, BinaryIO

from django.db import transaction

from annotation.distribution import split_of
from annotation.importers import PROMPT_NEEDS, ImportReport, NewPrompt, batches_of, prompt_of, put_aside, rows_from
from annotation.models import Project, Prompt
from annotation.readers import Progress
from annotation.services.audit import import_end
from annotation.services.bulk import rows_insert
from annotation.services.known_prompts import prompts_known
from annotation.signals import prompts_imported
from annotation.users import User


def prompts_import(
    *,
    project: Project,
    file: BinaryIO | None = None,
    items: Iterable[Mapping[str, Any]] | None = None,
    name: str = "",
    actor: User | None = None,
    dry_run: bool = False,
    limited: bool = True,
    progress: Progress | None = None,
) -> ImportReport:
    """Import prompts from an open ``file`` or from ``items``; fields are those of PROMPT_, TURN_, ID_ and
    REFERENCE_FIELDS. A dry run does everything and takes it back: its report is that of the import.

    A prompt whose id or text is in the project (or in the file) already is a duplicate; an id that
    stands for another text is an error of its line. ImportRefused when the file cannot be read.
    """
    report = ImportReport()
    rows = rows_from(file, items, name, PROMPT_NEEDS, limited=limited, progress=progress)
    with put_aside(rows, prompt_of, report) as good:
        return prompts_store(
            project=project, good=good, report=report, name=name, actor=actor, dry_run=dry_run, progress=progress
        )


def prompts_store(
    *,
    project: Project,
    good: IO[str],
    report: ImportReport,
    name: str,
    actor: User | None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """The second half of prompts_import: one transaction over what put_aside left in ``good``."""
    with transaction.atomic():
        # One import at a time, so that none is blind to what another is writing.
        Project.objects.select_for_update().get(pk=project.pk)
        for batch in batches_of(good, progress):
            _write(project, [NewPrompt(**values) for values in batch], name, report)
        if report.created:
            send = partial(prompts_imported.send, sender=Project, project=project, count=report.created)
            transaction.on_commit(send)
        import_end(verb="prompts.import", actor=actor, project=project, name=name, report=report, dry_run=dry_run)
    return report


def _write(project: Project, batch: list[NewPrompt], name: str, report: ImportReport) -> None:
    known = prompts_known(
        project=project,
        identities=(prompt.identity for prompt in batch),
        contents=(prompt.content for prompt in batch),
    )
    # Earlier batches of this file are in the table by now; within the batch both maps grow.
    by_identity: dict[str, str] = {}
    by_content: dict[str, str] = {}
    for there in known:
        by_identity[there.identity] = there.content_hash
        by_content[there.content_hash] = there.identity
    fresh: list[dict[str, Any]] = []
    for prompt in batch:
        if by_identity.get(prompt.identity, prompt.content) != prompt.content:
            report.reject(prompt.line, f"The id {prompt.identity!r} stands for another text already.")
        elif prompt.identity in by_identity:
            report.repeat(prompt.line, f"The prompt {prompt.identity!r} is there already.")
        elif prompt.content in by_content:
            report.repeat(prompt.line, f"The same text is there already, as {by_content[prompt.content]!r}.")
        else:
            by_identity[prompt.identity], by_content[prompt.content] = prompt.content, prompt.identity
            fresh.append(_row(project, prompt, name))
    report.created += rows_insert(model=Prompt, rows=fresh)


def _row(project: Project, prompt: NewPrompt, name: str) -> dict[str, Any]:
    return {
        "project_id": project.pk,
        "identity": prompt.identity,
        "external_id": prompt.external_id,
        "text": prompt.text,
        "turns": prompt.turns,
        "content_hash": prompt.content,
        "references": list(prompt.references),
        "split": str(split_of(prompt.identity, project.split_salt)),
        "batch": name[:200],
    }
