"""``manage.py retract --project SLUG --annotator NAME --reason WHY``: take labels back, or undo it."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from annotation.exceptions import KedgeError
from annotation.management.base import DatabaseCommand
from annotation.management.projects import project_named
from annotation.models import Project, Retraction
from annotation.services import retraction_create, retraction_undo


class Command(DatabaseCommand):
    help = "Take back every label of an annotator or of an import. The next snapshot is without them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--annotator", metavar="NAME")
        which.add_argument("--batch", metavar="NAME", help="The import they came from.")
        which.add_argument("--undo", type=int, metavar="NUMBER", help="Make the labels of this retraction current.")
        parser.add_argument("--reason", default="", help="Why: whoever reads the models' history will ask.")
        parser.add_argument("--requeue", action="store_true", help="Others rank the tasks instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        try:
            if options["undo"] is not None:
                undone = retraction_undo(retraction=_known(project, options["undo"]), actor=None)
                self.stdout.write(f"{undone.rankings} rankings are current again.")
                return
            made = retraction_create(
                project=project,
                annotator=_person(options["annotator"]),
                batch=options["batch"] or "",
                reason=options["reason"],
                requeue=options["requeue"],
                actor=None,
            )
        except KedgeError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"{made.rankings} rankings were taken back. To undo: retract --undo {made.pk}")


def _person(name: str | None) -> Any:
    if name is None:
        return None
    person = get_user_model()._default_manager.filter(username=name).first()
    if person is None:
        raise CommandError(f"Nobody is called '{name}'.")
    return person


def _known(project: Project, number: int) -> Retraction:
    found = Retraction.objects.filter(project=project, pk=number).select_related("annotator", "project").first()
    if found is None:
        raise CommandError(f"{project.slug} has no retraction {number}.")
    return found
