"""Commands that say what to do about a database that is not there, not ready or full."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor


class DatabaseCommand(BaseCommand):
    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(_remedy(error)) from error


def _remedy(error: DatabaseError) -> str:
    said = str(error).strip().splitlines()[0]
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return f"The database cannot be used: {said}. DATABASE_URL names it; nothing was changed."
    if missing:
        return (
            f"The database lacks {len(missing)} migrations ({said}): run `python manage.py migrate` first, with the "
            "same DATABASE_URL. Nothing was changed."
        )
    return f"The database failed, and nothing was changed: {said}."
