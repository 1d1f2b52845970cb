"""SQLite: an index is tried in a copy of the schema, without rows, in a database of this process's memory.

The user's file is only read: its schema, and its statistics where ANALYZE has left some. SQLite plans by nothing else,
so that the copy plans as the database does, which is checked, before the index is added.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans import sqlite
from flasktop.agent.plans.request import Cursor, Request, cursor_of, too_slow
from flasktop.agent.plans.trial import Tried, called, indexed, no_column, no_table, quoted, there_already
from flasktop.protocol.commands.index import COPY

if TYPE_CHECKING:
    from flasktop.protocol.commands.index import TryIndex

OBJECTS: Final = 10_000
SCHEMA_CHARACTERS: Final = 4_000_000
"""A schema larger than this is not looked at."""
STATISTICS: Final = 20_000
"""Rows of statistics that are copied of one kind."""
COPY_S: Final = 1.0
"""Making the copy may take no longer: under gevent it holds up the requests."""
_STEPS: Final = 10_000
_MAKES: Final = re.compile(r"CREATE\s+(TABLE|(UNIQUE\s+)?INDEX|VIEW)\b", re.IGNORECASE)

NO_STATISTICS: Final = (
    "The database holds no statistics of these tables (ANALYZE makes them): SQLite planned by its defaults, which take "
    "every table for large."
)
NONE_OF_THE_INDEX: Final = (
    "Planned with the database's statistics. Of the new index there are none: SQLite assumes some ten rows for each "
    "value of its first column."
)


@dataclass(frozen=True, slots=True)
class _Made:
    """A table, an index or a view, as ``sqlite_master`` has it."""

    kind: str
    name: str
    table: str
    sql: str


def tried(connection: Any, request: Request, wanted: TryIndex) -> Tried:
    """The plan in a copy of the schema, without and with the index."""
    with cursor_of(connection) as cursor:
        version = sqlite.begin(cursor, request)
        schema = _schema(cursor, request.statement)
        table = _table(schema, wanted)
        columns = _columns(cursor, table, wanted)
        if not wanted.function and not wanted.prefix:
            _refuse_known(cursor, table, columns)
        own = sqlite.planned(cursor, request)
        statistics = _statistics(cursor, {made.name.lower() for made in schema})
    name = called(wanted, [made.name for made in schema])
    with _copy() as copy:
        _build(copy, schema, statistics)
        before = _first(copy, request)
        if [row[2] for row in before] != [row[2] for row in own]:
            raise _differs()
        behind = "COLLATE NOCASE" if wanted.prefix else ""
        inside = indexed(columns, wanted.function, behind)
        copy.run(f"CREATE INDEX {quoted(name)} ON {quoted(table)} ({inside})")
        after = sqlite.planned(copy, request)
    note = NONE_OF_THE_INDEX if any(row[0].lower() == table.lower() for row in statistics[0]) else NO_STATISTICS
    used = any(f"INDEX {name} " in f"{row[2]} " for row in after)
    return Tried(before, after, version, name, used, COPY, bool(request.executed.unkept), (note,))


def _first(copy: Cursor, request: Request) -> list[list[Any]]:
    """The plan in the copy, before the index is there."""
    import sqlite3

    try:
        return sqlite.planned(copy, request)
    except sqlite3.Error as error:
        if not str(error).startswith("no such "):
            raise
        raise CommandError(
            f"A copy of the schema lacks something that this statement needs: {str(error)[:100]}.",
            "Virtual tables, and what needs the app's own functions, cannot be copied: an index cannot be tried there.",
        ) from error


def _differs() -> CommandError:
    return CommandError(
        "A copy of the schema plans this statement otherwise than the database itself does.",
        "The app adds something to SQLite, or sets it up in a way that the copy lacks: an index cannot be tried there.",
    )


# -- what is read of the user's database --


def _schema(cursor: Cursor, statement: str) -> list[_Made]:
    """The tables and views that the statement may mean, with their indexes, in the order in which they were made."""
    count, length = cursor.ask("SELECT count(*), total(length(sql)) FROM sqlite_master")[0]
    if count > OBJECTS or length > SCHEMA_CHARACTERS:
        raise CommandError("This schema is too large for a copy of it.", "Try the index on a copy of the database.")
    rows = cursor.ask("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    made = [_Made(*map(str, row)) for row in rows if _MAKES.match(str(row[3]))]
    made = [each for each in made if not each.name.lower().startswith("sqlite_")]
    needed: set[str] = set()
    texts = [statement.lower()]
    while texts:  # views name further ones
        text = texts.pop()
        for each in made:
            if each.kind != "index" and each.name not in needed and each.name.lower() in text:
                needed.add(each.name)
                if each.kind == "view":
                    texts.append(each.sql.lower())
    return [each for each in made if (each.table if each.kind == "index" else each.name) in needed]


def _table(schema: Iterable[_Made], wanted: TryIndex) -> str:
    if wanted.schema.lower() not in ("", "main"):
        raise no_table(wanted)
    for made in schema:
        if made.kind == "table" and made.name.lower() == wanted.table.lower():
            return made.name
    raise no_table(wanted)


def _columns(cursor: Cursor, table: str, wanted: TryIndex) -> list[str]:
    known = {str(row[1]).lower(): str(row[1]) for row in cursor.ask(f"PRAGMA table_xinfo({quoted(table)})")}
    for column in wanted.columns:
        if column.lower() not in known:
            raise no_column(table, column)
    return [known[column.lower()] for column in wanted.columns]


def _refuse_known(cursor: Cursor, table: str, columns: list[str]) -> None:
    """Raise CommandError where an index begins with these columns already."""
    keys = sorted((row[5], str(row[1])) for row in cursor.ask(f"PRAGMA table_info({quoted(table)})") if row[5])
    if [name for _, name in keys][: len(columns)] == columns:
        raise there_already("its primary key", table, columns)
    for row in cursor.ask(f"PRAGMA index_list({quoted(table)})"):
        if row[4]:
            continue  # a partial one serves some rows only
        parts = cursor.ask(f"PRAGMA index_info({quoted(str(row[1]))})")
        if [part[2] for part in parts][: len(columns)] == columns:
            raise there_already(str(row[1]), table, columns)


_Statistics = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


def _statistics(cursor: Cursor, needed: set[str]) -> _Statistics:
    """The rows of ``sqlite_stat1`` and ``sqlite_stat4`` about these tables and indexes."""
    kept = {row[0] for row in cursor.ask("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat_'")}
    found: list[list[tuple[Any, ...]]] = [[], []]
    for at, (name, columns) in enumerate(_KINDS):
        if name in kept:
            rows = cursor.ask(f"SELECT {columns} FROM {name} LIMIT {STATISTICS}")
            found[at] = [tuple(row) for row in rows if str(row[0]).lower() in needed]
    return found[0], found[1]


_KINDS: Final = (("sqlite_stat1", "tbl, idx, stat"), ("sqlite_stat4", "tbl, idx, neq, nlt, ndlt, sample"))


# -- the copy --


@contextmanager
def _copy() -> Iterator[Cursor]:
    """A cursor on an empty database in memory that can reach nothing else, and does not run for long."""
    import sqlite3

    end = time.perf_counter() + COPY_S
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        denied = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_CREATE_VTABLE)
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action in denied else sqlite3.SQLITE_OK)
        connection.set_progress_handler(lambda: time.perf_counter() > end, _STEPS)
        with cursor_of(connection) as cursor:
            yield cursor
    except sqlite3.OperationalError as error:
        raise too_slow() if str(error) == "interrupted" else error from error
    finally:
        connection.close()


def _build(copy: Cursor, schema: Iterable[_Made], statistics: _Statistics) -> None:
    """Make what is in ``schema``; what needs something of the app's own is left out, which shows in the plans."""
    import sqlite3

    end = time.perf_counter() + COPY_S
    for made in schema:
        if time.perf_counter() > end:
            raise CommandError("Copying the schema takes too long.", "Try the index on a copy of the database.")
        with suppress(sqlite3.Error):
            copy.run(made.sql)
    if not any(statistics):
        return
    copy.run("ANALYZE")  # makes the tables that statistics are in
    for (name, columns), rows in zip(_KINDS, statistics, strict=True):
        with suppress(sqlite3.Error):  # a build of SQLite without sqlite_stat4
            copy.run(f"DELETE FROM {name}")
            marks = ", ".join("?" * (columns.count(",") + 1))
            for row in rows:
                copy.run(f"INSERT INTO {name} ({columns}) VALUES ({marks})", row)
    copy.run("ANALYZE sqlite_master")  # lets SQLite read them anew
