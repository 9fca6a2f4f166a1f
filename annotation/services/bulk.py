"""Many rows at once, where nobody needs the models: bulk_create spends most of an import's time on them."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, JSONField, Model

ROWS_AT_ONCE = 5000


def rows_insert(*, model: type[Model], rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert ``rows``, all with the same columns of ``model``; how many. Values are as the columns hold them, JSON and
    times as Python's; defaults, signals and primary keys are the caller's affair. PostgreSQL's own bulk load, else
    one statement for many rows.
    """
    count = 0
    lines = iter(rows)
    while some := list(islice(lines, ROWS_AT_ONCE)):
        count += len(some)
        columns = list(some[0])
        prepared = [_preparing(model, column) for column in columns]
        values = [[prepare(row[name]) for prepare, name in zip(prepared, columns, strict=True)] for row in some]
        named = ", ".join(connection.ops.quote_name(column) for column in columns)
        table = connection.ops.quote_name(model._meta.db_table)
        # The names are the model's own; every value is bound.
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({named}) FROM STDIN") as copy:
                    for line in values:
                        copy.write_row(line)
            else:
                places = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {table} ({named}) VALUES ({places})", values)  # noqa: S608
    return count


def _preparing(model: type[Model], column: str) -> Callable[[Any], Any]:
    field = next(field for field in model._meta.concrete_fields if field.column == column)
    if isinstance(field, JSONField):
        return lambda value: None if value is None else json.dumps(value)
    if isinstance(field, DateTimeField):
        return _time
    return lambda value: value


def _time(value: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(value)
