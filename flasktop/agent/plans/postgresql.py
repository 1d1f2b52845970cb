"""PostgreSQL: ``EXPLAIN (FORMAT JSON)``, never ANALYZE, in a transaction that may only read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans.request import (
    LOCK_S,
    STATEMENT_S,
    Cursor,
    Found,
    Request,
    arguments,
    cursor_of,
    locked,
    too_slow,
    without_parameters,
)
from flasktop.agent.plans.texts import placeholders
from flasktop.protocol.commands import GONE

_NAME: Final = "flasktop_plan"
_IDENTIFIERS: Final = ("42P01", "42703", "42501", "3F000", "42883", "42704")
"""Errors whose words quote names of the schema only."""


def plan(connection: Any, request: Request) -> Found:
    """What the server says."""
    with cursor_of(connection) as cursor:
        version = begin(connection, cursor)
        return Found(planned(cursor, request), version, bool(request.executed.unkept))


def begin(connection: Any, cursor: Cursor) -> str:
    """Begin a transaction that may only read and does not wait for long; the server's version."""
    connection.rollback()
    with suppress(AttributeError):
        connection.autocommit = False  # else each statement is a transaction, and what is set for one is gone
    cursor.run("SET TRANSACTION READ ONLY")
    cursor.run(f"SET LOCAL statement_timeout = {STATEMENT_S * 1000}")
    cursor.run(f"SET LOCAL lock_timeout = {LOCK_S * 1000}")
    return str(cursor.ask("SHOW server_version")[0][0])


def planned(cursor: Cursor, request: Request) -> Any:
    """The plan, with the parameters or for any."""
    if request.executed.unkept:
        return _generic(cursor, request)
    return cursor.ask(f"EXPLAIN (FORMAT JSON) {request.statement}", *arguments(request))[0][0]


def _generic(cursor: Cursor, request: Request) -> Any:
    """The plan for any parameters: of a prepared statement, since 12 (``GENERIC_PLAN`` came with 16)."""
    dialect = request.engine.dialect
    text, count = _numbered(request.statement, dialect.paramstyle)
    try:
        cursor.run("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.run(f"PREPARE {_NAME} AS {text}")
    except Exception as error:
        raise without_parameters(request, "Wait until it runs again.") from error
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    plan = cursor.ask(f"EXPLAIN (FORMAT JSON) EXECUTE {_NAME}{values}")[0][0]
    cursor.run(f"DEALLOCATE {_NAME}")
    return plan


def _numbered(statement: str, style: str) -> tuple[str, int]:
    """The statement with ``$1``, ``$2``, … for its placeholders, as the server itself wants them, and how many."""
    found = placeholders(statement, "postgresql", style)
    numbers: dict[str, int] = {}
    made, end = [], 0
    for at, token in found:
        name = token if len(token) > 2 else str(at)
        number = numbers.setdefault(name, len(numbers) + 1)
        made += [_unescaped(statement[end:at], style), f"${number}"]
        end = at + len(token)
    made.append(_unescaped(statement[end:], style))
    return "".join(made), len(numbers)


def _unescaped(text: str, style: str) -> str:
    return text.replace("%%", "%") if style in ("format", "pyformat") else text


def said(error: BaseException) -> CommandError | None:
    """An error of PostgreSQL's in words; None for one that has none of its own."""
    cause = getattr(error, "__cause__", None) if not _code(error) else error
    code = _code(error) or _code(cause)
    text = str(error).strip().partition("\n")[0][:200]
    if code == "55P03":
        return locked("A table of this statement")
    if code == "57014":
        return too_slow()
    if code == "53300":
        return CommandError(
            "PostgreSQL takes no more connections.", "max_connections is reached: close some, or try again later."
        )
    if code in _IDENTIFIERS:
        return CommandError(
            f"PostgreSQL says: {text}.",
            "It may have been dropped, be temporary, or lie in a schema that the app sets for its own connections.",
            GONE,
        )
    return None


def _code(error: Any) -> str:
    """The SQLSTATE of an error (psycopg: ``sqlstate``, psycopg2: ``pgcode``)."""
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
