"""``manage.py export_pairs --project SLUG``: the pairs as the API streams them."""

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exceptions import KedgeError
from annotation.exporters import FORMATS, LAYOUTS, export_check, pairs_as_lines, pairs_as_parquet
from annotation.management.projects import project_named


class Command(BaseCommand):
    help = "Write a project's preference pairs, in TRL's layout unless told otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--format", default="jsonl", choices=list(FORMATS))
        parser.add_argument("--layout", default="trl", choices=list(LAYOUTS))
        parser.add_argument("--out", type=Path, help="A file; else the standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        wanted, layout, out = options["format"], options["layout"], options["out"]
        if wanted == "parquet" and out is None:
            raise CommandError("Parquet needs a file: --out FILE.")
        try:
            export_check(format=wanted, layout=layout)
            with out.open("wb") if out else nullcontext(sys.stdout.buffer) as file:
                if wanted == "parquet":
                    pairs_as_parquet(project=project, layout=layout, file=file)
                else:
                    file.writelines(pairs_as_lines(project=project, format=wanted, layout=layout))
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}.") from error
        except KedgeError as error:
            raise CommandError(error.detail) from error
