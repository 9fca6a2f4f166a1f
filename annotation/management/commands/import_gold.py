"""``manage.py import_gold --project SLUG --file FILE``: what ``POST /projects/{slug}/gold/`` does, for each line."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotation.exceptions import KedgeError
from annotation.management.projects import project_named
from annotation.models import Project
from annotation.services import gold_create


class Command(BaseCommand):
    help = "Import gold tasks from JSONL: prompt, completions, pairs ([[better, worse], …]) and, if any, external_id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--file", required=True, type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_named(options["project"])
        path: Path = options["file"]
        made = 0
        try:
            with path.open(encoding="utf-8") as file, transaction.atomic():
                for number, line in enumerate(file, 1):
                    if line.strip():
                        made += _make(project, line, number)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} cannot be read: {error}.") from error
        self.stdout.write(f"{made} gold tasks created")


def _make(project: Project, line: str, number: int) -> int:
    """One; a bad line is an error that leaves nothing of the file behind."""
    try:
        values = json.loads(line)
        texts, pairs = values["completions"], values["pairs"]
        if not isinstance(values["prompt"], str) or not all(isinstance(text, str) for text in texts):
            raise TypeError("prompt and completions are texts")
        pairs = [[int(better), int(worse)] for better, worse in pairs]
        name = str(values.get("external_id", ""))
        gold_create(
            project=project, prompt=values["prompt"], completions=texts, pairs=pairs, external_id=name, actor=None
        )
    except KedgeError as error:
        raise CommandError(f"line {number}: {error.detail} Nothing was imported.") from error
    except (ValueError, TypeError, KeyError) as error:
        message = f"line {number}: not {{prompt, completions, pairs}}: {error}. Nothing was imported."
        raise CommandError(message) from error
    return 1
