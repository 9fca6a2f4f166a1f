"""Statements of the hot path: querysets that are compiled once, and rows that are inserted without asking again how.

Handing a task out and taking its ranking are some twenty statements. Django builds and compiles a queryset anew for
each, which takes several times as long as the database takes to answer; and PostgreSQL parses and plans it anew. Here
a queryset still says what is asked, with a Slot where a value comes in; its SQL, its converters and, after a few calls
on a connection, PostgreSQL's plan are kept. For what a page asks once, an ordinary queryset is the better choice.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import BigIntegerField, CharField, DateTimeField, Expression, Field, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators  # type: ignore[attr-defined]  # not in the stubs
from django.db.models.sql import UpdateQuery

M = TypeVar("M", bound=Model)


class Slot(Expression):
    """A value that is given, under this name, when the statement is run."""

    def __init__(self, name: str, output_field: "Field[Any, Any]") -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        return "%s", [self]

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        # Its type must not depend on the value: each would be a statement of its own.
        return f"%s::{self.output_field.db_type(connection)}", [self]


def key(name: str) -> Slot:
    """A row's id."""
    return Slot(name, BigIntegerField())


def moment(name: str) -> Slot:
    """An aware datetime."""
    return Slot(name, DateTimeField())


def word(name: str) -> Slot:
    """A short text."""
    return Slot(name, CharField(max_length=200))


class _Statement:
    """SQL with places for values."""

    def __init__(self, sql: str, params: Sequence[Any]) -> None:
        self._sql, self._params = sql, tuple(params)

    def run(self, values: Mapping[str, Any]) -> Any:
        """The cursor, which the caller closes."""
        return _execute(self._sql, [values[param.name] if isinstance(param, Slot) else param for param in self._params])


def _execute(sql: str, params: Sequence[Any]) -> Any:
    """The cursor after running ``sql``, which the caller closes."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "postgresql":
        cursor = _server_cursor(database)
        # Numbers go as digits and take their columns' types: psycopg would choose one by the size of each.
        cursor.execute(sql, [str(value) if type(value) is int else value for value in params])
        return cursor
    adapt = database.ops.adapt_datetimefield_value
    cursor = database.cursor()
    cursor.execute(sql, [adapt(value) if isinstance(value, datetime) else value for value in params])
    return cursor


def _server_cursor(database: Any) -> Any:
    """One that leaves the values to the server, which keeps the plan; Django's own writes them into the text."""
    import psycopg  # 10 MB that SQLite does without

    database.close_if_health_check_failed()
    database.ensure_connection()
    return database._prepare_cursor(psycopg.Cursor(database.connection))


class _Rows(_Statement):
    """A compiled SELECT, and how its rows become what the queryset gives."""

    def __init__(self, queryset: QuerySet[Any]) -> None:
        compiler = queryset.query.get_compiler(connection=connection)
        super().__init__(*compiler.as_sql())
        self._database = compiler.connection  # converters only ask it for its time zone
        self._width = compiler.col_count
        self._converters = list(compiler.get_converters([column[0] for column in compiler.select]).items())
        self._model: type[Model] | None = None
        if queryset._iterable_class is ModelIterable:  # else by values_list
            places = compiler.klass_info["select_fields"]
            self._model, self._own = compiler.klass_info["model"], slice(places[0], places[-1] + 1)
            self._names = [column[0].target.attname for column in compiler.select[self._own]]
            self._related = get_related_populators(compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS)

    def read(self, values: Mapping[str, Any]) -> list[Any]:
        cursor = self.run(values)
        try:
            return [self._made(list(row[: self._width])) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def _made(self, row: list[Any]) -> Any:
        for place, (converters, column) in self._converters:
            for convert in converters:
                row[place] = convert(row[place], column, self._database)
        if self._model is None:
            return tuple(row)
        made = self._model.from_db(DEFAULT_DB_ALIAS, self._names, row[self._own])
        for populator in self._related:
            populator.populate(row, made)
        return made


S = TypeVar("S", bound=_Statement)


class _Compiled(Generic[S]):
    """A statement that is compiled at its first use, for each kind of database."""

    def __init__(self, build: Callable[[], S]) -> None:
        self._build = build
        self._by_vendor: dict[str, S] = {}

    def get(self) -> S:
        vendor = connection.vendor
        if vendor not in self._by_vendor:
            self._by_vendor[vendor] = self._build()
        return self._by_vendor[vendor]


class Select:
    """``build`` makes the queryset, of whole models (select_related with them) or by values_list.

    Call it with the slots' values: the list of its rows, a tuple for each where it is by values_list.
    """

    def __init__(self, build: Callable[[], QuerySet[Any]]) -> None:
        self._compiled = _Compiled(lambda: _Rows(build()))

    def __call__(self, **values: Any) -> list[Any]:
        return self._compiled.get().read(values)

    def first(self, **values: Any) -> Any:
        """The first row, else None. Whoever writes the queryset limits it to one."""
        return next(iter(self(**values)), None)


class Update:
    """``build`` makes the queryset and what its columns become. Call it with values: how many rows it hit."""

    def __init__(self, build: Callable[[], tuple[QuerySet[Any], Mapping[str, Any]]]) -> None:
        self._compiled = _Compiled(lambda: _updating(*build()))

    def __call__(self, **values: Any) -> int:
        cursor = self._compiled.get().run(values)
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()


def _updating(queryset: QuerySet[Any], columns: Mapping[str, Any]) -> _Statement:
    query = queryset.query.chain(UpdateQuery)
    query.add_update_values(columns)  # type: ignore[attr-defined]  # not in the stubs
    return _Statement(*query.get_compiler(connection=connection).as_sql())


class Insert(Generic[M]):
    """New rows of a model, as ``save`` would write them, without signals."""

    def __init__(self, model: type[M]) -> None:
        self._model = model

    @cached_property
    def _fields(self) -> "Sequence[Field[Any, Any]]":
        return [field for field in self._model._meta.concrete_fields if not field.primary_key]

    def one(self, row: M, *, unless_there: bool = False) -> bool:
        """Insert ``row``; its id is in it afterwards. With ``unless_there``, False where a unique constraint forbids
        it, after waiting for whoever is writing the same at this moment.
        """
        pk = self._model._meta.pk
        assert pk is not None
        conflict = " ON CONFLICT DO NOTHING" if unless_there else ""
        postgresql = connection.vendor == "postgresql"
        # Not every SQLite knows RETURNING.
        returning = f" RETURNING {connection.ops.quote_name(pk.column)}" if postgresql else ""
        cursor = _execute(self._sql + conflict + returning, self._values(row))
        try:
            if unless_there and cursor.rowcount < 1:
                return False
            row.pk = cursor.fetchone()[0] if postgresql else cursor.lastrowid
        finally:
            cursor.close()
        row._state.adding, row._state.db = False, connection.alias
        return True

    @cached_property
    def _sql(self) -> str:
        quote = connection.ops.quote_name
        columns = ", ".join(quote(field.column) for field in self._fields)
        places = ", ".join(["%s"] * len(self._fields))
        # The names are the model's own; every value is bound.
        return f"INSERT INTO {quote(self._model._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608

    def _values(self, row: M) -> list[Any]:
        return [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in self._fields]
