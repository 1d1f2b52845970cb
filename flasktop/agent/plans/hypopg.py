"""PostgreSQL: an index is tried by HypoPG, which tells the planner of indexes that do not exist.

Only where the extension is in the database already; in a transaction that may only read, on a connection of our own.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans import postgresql
from flasktop.agent.plans.request import Cursor, Request, cursor_of
from flasktop.agent.plans.trial import Tried, called, indexed, no_column, no_table, quoted, there_already
from flasktop.protocol.commands.index import HYPOTHETICAL

if TYPE_CHECKING:
    from flasktop.protocol.commands.index import TryIndex

_DEEPEST: Final = 200
NO_STATISTICS_OF_IT: Final = (
    "PostgreSQL has no statistics of what the function makes before such an index exists: how many rows match is its "
    "default guess."
)


def tried(connection: Any, request: Request, wanted: TryIndex) -> Tried:
    """The plan without the index, and with one that only the planner believes in."""
    with cursor_of(connection) as cursor:
        version = postgresql.begin(connection, cursor)
        place = _extension(cursor)
        oid, schema, table = _table(cursor, wanted)
        _check_columns(cursor, oid, table, wanted)
        before = _tree(postgresql.planned(cursor, request))
        behind = "text_pattern_ops" if wanted.prefix else ""
        inside = indexed(wanted.columns, wanted.function, behind)
        ddl = f"CREATE INDEX ON {quoted(schema)}.{quoted(table)} ({inside})"
        try:
            made = cursor.ask(f"SELECT indexname FROM {place}.hypopg_create_index({_text(ddl)})")
            after = _tree(postgresql.planned(cursor, request))
            _forget(cursor, place)
        except BaseException:
            with suppress(Exception):  # the transaction is lost; the connection may be another's before long
                connection.rollback()
                _forget(cursor, place)
            raise
    names = _indexes(before)
    name = called(wanted, sorted(names))
    used = str(made[0][0]) in _indexes(after)
    _rename(after, str(made[0][0]), name)
    notes = (NO_STATISTICS_OF_IT,) if wanted.function else ()
    return Tried(before, after, version, name, used, HYPOTHETICAL, bool(request.executed.unkept), notes)


def _forget(cursor: Cursor, place: str) -> None:
    cursor.ask(f"SELECT {place}.hypopg_reset()")


def _extension(cursor: Cursor) -> str:
    """The schema of HypoPG's functions, quoted."""
    rows = cursor.ask(
        "SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace "
        "WHERE e.extname = 'hypopg'"
    )
    if rows:
        return quoted(str(rows[0][0]))
    known = cursor.ask("SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'hypopg'")
    raise CommandError(
        "This database lacks HypoPG, which tells PostgreSQL's planner of an index that does not exist.",
        "The server has it: run CREATE EXTENSION hypopg in this database."
        if known
        else "Install it on the server (Debian: postgresql-15-hypopg, of the server's version), then run CREATE "
        "EXTENSION hypopg in this database.",
    )


def _text(text: str) -> str:
    """A text as SQL: no quote, no per cent sign and no backslash of it reaches a driver or the parser."""
    return f"pg_catalog.convert_from(pg_catalog.decode('{text.encode().hex()}', 'hex'), 'UTF8')"


def _table(cursor: Cursor, wanted: TryIndex) -> tuple[int, str, str]:
    """The table's oid and its names, from the catalogue."""
    where = f"n.nspname = {_text(wanted.schema)}" if wanted.schema else "pg_catalog.pg_table_is_visible(c.oid)"
    rows = cursor.ask(
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relname = {_text(wanted.table)} AND c.relkind IN ('r', 'p', 'm') AND {where}"
    )
    if not rows:
        raise no_table(wanted)
    return int(rows[0][0]), str(rows[0][1]), str(rows[0][2])


def _check_columns(cursor: Cursor, oid: int, table: str, wanted: TryIndex) -> None:
    """Raise CommandError where a column does not exist, or an index begins with them all already."""
    rows = cursor.ask(
        "SELECT attname, attnum FROM pg_catalog.pg_attribute "
        f"WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped"
    )
    known = {str(name): int(number) for name, number in rows}
    for column in wanted.columns:
        if column not in known:
            raise no_column(table, column)
    if wanted.function or wanted.prefix:
        return
    numbers = " ".join(str(known[column]) for column in wanted.columns)
    for name, key in cursor.ask(
        "SELECT c.relname, i.indkey::text FROM pg_catalog.pg_index i "
        "JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am a ON a.oid = c.relam "
        f"WHERE i.indrelid = {oid} AND i.indisvalid AND i.indpred IS NULL AND a.amname = 'btree'"
    ):
        if f"{key} ".startswith(f"{numbers} "):
            raise there_already(str(name), table, wanted.columns)


def _tree(plan: Any) -> Any:
    return json.loads(plan) if isinstance(plan, (str, bytes, bytearray)) else plan


def _indexes(plan: Any, depth: int = _DEEPEST) -> set[str]:
    """The names of the indexes in a plan."""
    if depth <= 0:
        return set()
    if isinstance(plan, dict):
        own = {plan["Index Name"]} if isinstance(plan.get("Index Name"), str) else set()
        return own.union(*(_indexes(each, depth - 1) for each in plan.values()))
    return set().union(*(_indexes(each, depth - 1) for each in plan)) if isinstance(plan, list) else set()


def _rename(plan: Any, old: str, new: str, depth: int = _DEEPEST) -> None:
    """Call an index otherwise in a plan, where it stands."""
    if depth <= 0:
        return
    if isinstance(plan, dict):
        if plan.get("Index Name") == old:
            plan["Index Name"] = new
        plan = list(plan.values())
    if isinstance(plan, list):
        for each in plan:
            _rename(each, old, new, depth - 1)
