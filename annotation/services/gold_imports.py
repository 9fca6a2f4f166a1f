"""Gold from a file: a task of each line, like the other imports with a dry run and a report of every line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from django.db import transaction

from annotation.exceptions import Conflict, InvalidInput
from annotation.importers import (
    ID_FIELDS,
    PROMPT_TEXT_FIELDS,
    ImportReport,
    batches_of,
    id_field,
    put_aside,
    rows_from,
    text_checked,
    text_field,
)
from annotation.layouts.base import listed
from annotation.models import Project
from annotation.readers import BadRow, Progress, Row
from annotation.services.audit import import_end
from annotation.services.gold import gold_create
from annotation.users import User

GOLD_NEEDS = (PROMPT_TEXT_FIELDS, ("completions",), ("pairs",))


@dataclass(frozen=True)
class NewGold:
    line: int
    prompt: str
    completions: Sequence[str]
    pairs: Sequence[Sequence[int]]
    external_id: str


def gold_import(
    *,
    project: Project,
    file: BinaryIO,
    name: str = "",
    actor: User | None = None,
    dry_run: bool = False,
    limited: bool = True,
    progress: Progress | None = None,
) -> ImportReport:
    """Make a gold task of each line: prompt, completions, pairs [[better, worse], …], and external_id or id if any.

    A prompt that is gold already is a duplicate. A dry run does everything and takes it back: its report is that of
    the import. ImportRefused when the file cannot be read.
    """
    report = ImportReport()
    rows = rows_from(file, None, name, GOLD_NEEDS, limited=limited, progress=progress)
    with put_aside(rows, _gold_of, report) as good, transaction.atomic():
        for batch in batches_of(good, progress):
            for values in batch:
                _store(project, NewGold(**values), actor, report)
        import_end(verb="gold.import", actor=actor, project=project, name=name, report=report, dry_run=dry_run)
    return report


def _store(project: Project, new: NewGold, actor: User | None, report: ImportReport) -> None:
    try:
        gold_create(
            project=project,
            prompt=new.prompt,
            completions=new.completions,
            pairs=new.pairs,
            external_id=new.external_id,
            actor=actor,
        )
    except InvalidInput as error:
        report.reject(new.line, error.detail)
    except Conflict as error:
        report.repeat(new.line, error.detail)
    else:
        report.created += 1


def _gold_of(row: Row | BadRow) -> NewGold:
    """The gold of a line, or InvalidInput."""
    if isinstance(row, BadRow):
        raise InvalidInput(row.error)
    texts = [text_checked(text, "completions") for text in listed(row.values.get("completions"), "completions")]
    pairs = listed(row.values.get("pairs"), "pairs")
    if not all(isinstance(pair, list) and all(type(place) is int for place in pair) for pair in pairs):
        raise InvalidInput("'pairs' is no list of [better, worse], places from 0 in completions.")
    prompt = text_field(row.values, PROMPT_TEXT_FIELDS, what="prompt")
    return NewGold(row.line, prompt, texts, pairs, id_field(row.values, ID_FIELDS))
