"""``manage.py export_pairs --project SLUG``: the pairs as the API streams them."""

from argparse import ArgumentParser
from typing import Any

from annotation.exporters import LAYOUTS, pairs_export
from annotation.management.base import DatabaseCommand
from annotation.management.exports import export_options, export_write
from annotation.management.projects import project_named


class Command(DatabaseCommand):
    help = "Write a project's preference pairs, in TRL's layout unless told otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        export_options(parser)
        parser.add_argument("--layout", default="trl", choices=list(LAYOUTS))

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        export_write(pairs_export(project=project, layout=options["layout"]), options["format"], options["out"])
