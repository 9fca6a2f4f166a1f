"""Many rows at once, where nobody needs the models: bulk_create spends most of an import's time on them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Field, JSONField, Model
from django.utils import timezone

ROWS_AT_ONCE = 5000


def rows_insert(*, model: type[Model], rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert ``rows``, all with the same columns of ``model``; how many. Values are as the columns hold them, JSON and
    times as Python's; a column that they lack gets the model's default. There are no signals. PostgreSQL's own bulk
    load, else one statement for many rows.
    """
    count = 0
    lines = iter(rows)
    while some := list(islice(lines, ROWS_AT_ONCE)):
        count += len(some)
        given = tuple(some[0])
        others = _others(model, given)
        columns = ", ".join(connection.ops.quote_name(column) for column in (*given, *others))
        table = connection.ops.quote_name(model._meta.db_table)
        values = _values(model, given, some, tuple(others.values()))
        # The names are the model's own; every value is bound.
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for line in values:
                        copy.write_row(line)
            else:
                places = ", ".join(["%s"] * (len(given) + len(others)))
                cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)  # noqa: S608
    return count


def keys_take(*, model: type[Model], count: int) -> Sequence[int]:
    """Primary keys for ``count`` rows that will be inserted in this transaction. On SQLite, hold its write lock."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
            )
            return [key for (key,) in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        (last,) = cursor.fetchone() or (0,)
        return range(last + 1, last + count + 1)


def _values(
    model: type[Model], given: tuple[str, ...], rows: Sequence[Mapping[str, Any]], others: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    pick = itemgetter(*given)
    prepared = [(place, prepare) for place, name in enumerate(given) if (prepare := _preparing(model, name))]
    values = []
    for row in rows:
        line = list(pick(row))
        for place, prepare in prepared:
            line[place] = prepare(line[place])
        values.append((*line, *others))
    return values


def _others(model: type[Model], given: tuple[str, ...]) -> dict[str, Any]:
    """The columns that are not given, and what stands in them."""
    found = {}
    for field in model._meta.concrete_fields:
        if field.column in given or field.primary_key:
            continue
        value = timezone.now() if getattr(field, "auto_now_add", False) else field.get_default()
        prepare = _preparing(model, field.column)
        found[field.column] = prepare(value) if prepare else value
    return found


@cache
def _preparing(model: type[Model], column: str) -> Callable[[Any], Any] | None:
    """How a value becomes what the database's driver takes; None where it is that already."""
    field: Field[Any, Any] = next(field for field in model._meta.concrete_fields if field.column == column)
    if isinstance(field, JSONField):
        return lambda value: None if value is None else json.dumps(value)
    if isinstance(field, DateTimeField):
        return _time
    return None


def _time(value: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(value)
