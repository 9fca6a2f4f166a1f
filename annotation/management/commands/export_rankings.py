"""``manage.py export_rankings --project SLUG``: every label with all that was said, as the API streams them."""

from argparse import ArgumentParser
from typing import Any

from annotation.exporters import rankings_export
from annotation.management.base import DatabaseCommand
from annotation.management.exports import export_options, export_write
from annotation.management.projects import project_named


class Command(DatabaseCommand):
    help = "Write a project's rankings, one row each, with everything their annotators said."

    def add_arguments(self, parser: ArgumentParser) -> None:
        export_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        export_write(rankings_export(project=project_named(options["project"])), options["format"], options["out"])
