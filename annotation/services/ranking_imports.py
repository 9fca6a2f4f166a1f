"""Rankings made elsewhere: their prompts, completions, raters and pairs, all in one transaction.

Each set of completions of a prompt is one closed task; each rater's ranking is a submitted assignment of
it. The same ranking again is a duplicate, another one by the same rater is reported and not taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, BinaryIO

from django.db import transaction

from annotation.importers import RankingReport, batches_of, put_aside, rows_from
from annotation.layouts import comparisons_of
from annotation.layouts.base import Comparison
from annotation.models import Project
from annotation.readers import Progress
from annotation.services.audit import import_end
from annotation.services.imported_labels import labels_store
from annotation.services.imported_texts import completions_ensure, prompts_ensure
from annotation.services.projects import project_create, project_update
from annotation.services.raters import raters_ensure
from annotation.users import User


def rankings_import(
    *,
    project: Project | str,
    layout: str,
    file: BinaryIO | None = None,
    items: Iterable[Mapping[str, Any]] | None = None,
    name: str = "",
    actor: User | None = None,
    dry_run: bool = False,
    limited: bool = True,
    progress: Progress | None = None,
) -> RankingReport:
    """Import rankings in one of the LAYOUTS; a text as ``project`` is the slug of one that is made with them.

    A dry run does everything and takes it back: its report is that of the import. ImportRefused when the
    file cannot be read to its end.
    """
    report = RankingReport()
    rows = rows_from(file, items, name, (), limited=limited, progress=progress)
    with put_aside(rows, comparisons_of(layout), report) as good:
        return rankings_store(
            project=project, good=good, report=report, name=name, actor=actor, dry_run=dry_run, progress=progress
        )


def rankings_store(
    *,
    project: Project | str,
    good: IO[str],
    report: RankingReport,
    name: str,
    actor: User | None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RankingReport:
    """The second half of rankings_import: one transaction over what put_aside left in ``good``."""
    new = isinstance(project, str)
    with transaction.atomic():
        if isinstance(project, str):
            project = project_create(actor=actor, slug=project, name=project)
        # One import at a time, so that none is blind to what another is writing.
        project = Project.objects.select_for_update().get(pk=project.pk)
        raters: dict[str, int] = {}
        criteria: dict[str, None] = dict.fromkeys(project.criteria)
        for batch in batches_of(good, progress):
            comparisons = [Comparison.from_json(values) for values in batch]
            _batch_store(project, comparisons, name[:200], raters, report)
            names = (name for one in comparisons for opinion in one.opinions for name in opinion.ratings)
            criteria.update(dict.fromkeys(names))
        if len(criteria) > len(project.criteria):
            project_update(project=project, actor=actor, criteria=list(criteria))
        import_end(verb="rankings.import", actor=actor, project=project, name=name, report=report, dry_run=dry_run)
        if new and not report.created:
            transaction.set_rollback(True)  # a file of another layout makes no project
    return report


def _batch_store(
    project: Project, comparisons: Sequence[Comparison], name: str, raters: dict[str, int], report: RankingReport
) -> None:
    """Some lines at a time: a constant number of queries for each batch."""
    prompts = prompts_ensure(project=project, comparisons=comparisons, name=name, report=report)
    taken = [one for one in comparisons if one.line in prompts]
    texts = completions_ensure(comparisons=taken, prompts=prompts, report=report)
    taken = [one for one in taken if one.line in texts]
    names = {opinion.rater for one in taken for opinion in one.opinions}
    report.raters += raters_ensure(project=project, raters=names, known=raters)
    for one in taken:
        _count(one, report)
    labels_store(
        project=project, comparisons=taken, prompts=prompts, texts=texts, raters=raters, name=name, report=report
    )


def _count(comparison: Comparison, report: RankingReport) -> None:
    words = [candidate.text for candidate in comparison.candidates]
    report.repeated_texts += len(words) - len(set(words))
    report.empty_texts += sum(not text.strip() for text in words)
    for problem in comparison.refused:
        report.reject(comparison.line, problem)
    for note in comparison.notes:
        report.note(comparison.line, note)
