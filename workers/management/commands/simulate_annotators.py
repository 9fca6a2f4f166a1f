"""``manage.py simulate_annotators --project SLUG --count N --rankings M``: labels by a hidden utility, and marked."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from annotation.exceptions import KedgeError
from annotation.management.projects import project_named
from annotation.models import Project, Role
from annotation.services import annotators_add
from annotation.users import User
from rlhf.exceptions import DataError
from workers.simulation import rankings_simulate
from workers.terminal import TerminalReporter

PREFIX = "simulated"


class Command(BaseCommand):
    help = "Let simulated annotators rank tasks through the same services as people; their rankings are marked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--count", type=int, default=5, metavar="N", help="How many annotators share the work.")
        parser.add_argument("--rankings", type=int, required=True, metavar="M", help="How many rankings together.")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rankings"] < 1:
            raise CommandError(f"--rankings is {options['rankings']}: it must be 1 or more.")
        project = project_named(options["project"])
        reporter = TerminalReporter()
        try:
            done = rankings_simulate(
                project=project,
                annotators=simulated_annotators(project=project, count=options["count"]),
                count=options["rankings"],
                seed=options["seed"],
                listener=lambda made, total: reporter.progress(made, total, "ranking"),
            )
        except (KedgeError, DataError) as error:
            raise CommandError(str(error)) from error
        finally:
            reporter.close()
        short = "" if done == options["rankings"] else f" of {options['rankings']}: there are no more tasks for them"
        self.stdout.write(f"{done} rankings{short}.")


def simulated_annotators(*, project: Project, count: int) -> list[User]:
    """The project's first ``count`` simulated annotators; those that are missing are made. They cannot log in."""
    people = get_user_model().objects.filter(
        memberships__project=project, memberships__role=Role.ANNOTATOR, username__startswith=PREFIX
    )
    if (missing := count - people.count()) > 0 or count < 1:
        annotators_add(project=project, count=missing, prefix=PREFIX, simulated=True)
    return list(people.order_by("username")[:count])
