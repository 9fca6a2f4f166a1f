"""``manage.py add_annotators --project SLUG --count N``: people for a team's first day and for load tests."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from annotation.exceptions import KedgeError
from annotation.management.base import DatabaseCommand
from annotation.management.projects import project_named
from annotation.services import annotators_add


class Command(DatabaseCommand):
    help = "Make annotators of a project and print their names, passwords and API tokens, which are shown only here."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--count", type=int, required=True, metavar="N")
        parser.add_argument("--prefix", default="annotator", help="Names are the prefix and the next free numbers.")
        parser.add_argument("--json", action="store_true", help="Print [{username, password, token}].")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        try:
            made = annotators_add(project=project, count=options["count"], prefix=options["prefix"])
        except KedgeError as error:
            raise CommandError(error.detail) from error
        if options["json"]:
            self.stdout.write(json.dumps(made))
            return
        for one in made:
            self.stdout.write(f"{one['username']}  password {one['password']}  token {one['token']}")
