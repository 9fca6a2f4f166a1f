"""``manage.py quality --project SLUG``: how good the labels are, each figure with its interval and n."""

import json
from argparse import ArgumentParser
from typing import Any

from annotation.management.base import DatabaseCommand
from annotation.management.projects import project_named
from annotation.quality_report import report
from annotation.selectors import project_quality


class Command(DatabaseCommand):
    help = "Report agreement, reliability and bias of a project's labels, as the quality page shows them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--json", action="store_true", help="Every figure as one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = project_quality(project_named(options["project"]))
        text = json.dumps(found, indent=1, ensure_ascii=False) if options["json"] else "\n".join(report(found))
        self.stdout.write(text)
