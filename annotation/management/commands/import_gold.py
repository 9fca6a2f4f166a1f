"""``manage.py import_gold --project SLUG --file FILE``: what the page *Gold* does."""

from annotation.management.commands.import_prompts import Command as ImportCommand
from annotation.services import gold_import


class Command(ImportCommand):
    help = "Import gold tasks (prompt, completions, pairs [[better, worse], …]) and report each line left out."
    importer = staticmethod(gold_import)
