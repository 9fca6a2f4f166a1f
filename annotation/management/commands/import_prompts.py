"""``manage.py import_prompts --project SLUG --file FILE``: what the page and the API do."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError

from annotation.exceptions import KedgeError
from annotation.importers import ImportReport
from annotation.management.base import DatabaseCommand
from annotation.management.progress import progress_bar
from annotation.management.projects import project_named
from annotation.services import prompts_import


class Command(DatabaseCommand):
    help = "Import prompts from JSONL, a JSON list, CSV or Parquet, gzipped or not, and report every line left out."
    importer: ClassVar[Callable[..., ImportReport]] = staticmethod(prompts_import)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--file", required=True, type=Path)
        parser.add_argument("--dry-run", action="store_true", help="Report what an import would do; write nothing.")
        parser.add_argument("--json", action="store_true", help="Print the report as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        path: Path = options["file"]
        try:
            with path.open("rb") as file, progress_bar() as progress:
                report = self.importer(
                    project=project,
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


def _lines(report: ImportReport) -> list[str]:
    head = f"{report.created} created, {report.duplicates} duplicates, {report.rejected_count} rejected"
    return [head, *(f"line {one.line}: {one.error}" for one in [*report.rejected, *report.duplicate_lines])]
