"""``manage.py import_rankings --project SLUG --layout LAYOUT FILE``: rankings made elsewhere, with their raters."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from annotation.exceptions import KedgeError
from annotation.importers import RankingReport
from annotation.layouts import LAYOUTS
from annotation.management.base import DatabaseCommand
from annotation.management.progress import progress_bar
from annotation.models import Project
from annotation.services import rankings_import


class Command(DatabaseCommand):
    help = "Import rankings that several people made elsewhere; the project is made if it is not there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--layout", required=True, choices=list(LAYOUTS))
        parser.add_argument("--dry-run", action="store_true", help="Report what an import would do; write nothing.")
        parser.add_argument("--json", action="store_true", help="Print the report as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        slug, path = options["project"], options["file"]
        try:
            with path.open("rb") as file, progress_bar() as progress:
                report = rankings_import(
                    project=Project.objects.filter(slug=slug).first() or slug,
                    layout=options["layout"],
                    file=file,
                    name=path.name,
                    dry_run=options["dry_run"],
                    limited=False,
                    progress=progress,
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except KedgeError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(json.dumps(report.as_dict()) if options["json"] else "\n".join(_lines(report)))
        if not report.created + report.duplicates + report.changed:
            raise CommandError(f"Nothing in {path} could be read as '{options['layout']}'.")


def _lines(report: RankingReport) -> list[str]:
    counts = report.as_dict()
    said = (
        "{created} rankings created, {duplicates} duplicates, {rejected_count} rejected, {changed} of them because the "
        "rater ranked otherwise before\n"
        "{prompts} prompts, {completions} completions, {tasks} tasks and {raters} raters are new\n"
        "{strict_pairs} strict and {tied_pairs} tied pairs\n"
        "{repeated_texts} repeated and {empty_texts} empty completions kept as they are"
    )
    lines = [*report.rejected, *report.notes, *report.duplicate_lines[:20]]
    return [said.format(**counts), *(f"line {one.line}: {one.error}" for one in lines)]
