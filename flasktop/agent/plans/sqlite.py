"""SQLite: ``EXPLAIN QUERY PLAN``, which runs nothing, on a connection that may only read."""

from __future__ import annotations

import re
from typing import Any, Final

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans.connection import is_shared
from flasktop.agent.plans.request import (
    LOCK_S,
    Cursor,
    Found,
    Request,
    arguments,
    cursor_of,
    locked,
    without_parameters,
)
from flasktop.agent.plans.texts import placeholders

_VIRTUAL: Final = re.compile(r"(VIRTUAL TABLE INDEX \d+:).*", re.DOTALL)


def plan(connection: Any, request: Request) -> Found:
    """The rows ``[id, parent, detail]`` of the plan."""
    with cursor_of(connection) as cursor:
        version = begin(cursor, request)
        return Found(planned(cursor, request), version, bool(request.executed.unkept))


def begin(cursor: Cursor, request: Request) -> str:
    """Let the connection only read, and wait for locks only shortly; SQLite's version."""
    files = cursor.ask("PRAGMA database_list")
    if not any(row[2] for row in files) and not is_shared(request.engine):
        raise CommandError(
            "This SQLite database is in memory: only the app's own connection can see it.",
            "flasktop does not use the app's connections. With a database file it shows plans.",
        )
    cursor.run(f"PRAGMA busy_timeout = {LOCK_S * 1000}")
    cursor.run("PRAGMA query_only = ON")
    return str(cursor.ask("SELECT sqlite_version()")[0][0])


def planned(cursor: Cursor, request: Request) -> list[list[Any]]:
    """The rows of the plan."""
    given = _nulls(request) if request.executed.unkept else arguments(request)
    rows = cursor.ask(f"EXPLAIN QUERY PLAN {request.statement}", *given)
    # What an extension's own index was asked for could be a value.
    return [[row[0], row[1], _VIRTUAL.sub(r"\1…", row[3])] for row in rows]


def _nulls(request: Request) -> tuple[Any, ...]:
    """A NULL for each placeholder: SQLite makes the same plan for all parameters, but wants some."""
    style = request.engine.dialect.paramstyle
    found = placeholders(request.statement, "sqlite", style)
    if style == "named":
        return ({token[1:]: None for _, token in found},)
    if style != "qmark":
        raise without_parameters(request, "Wait until it runs again.")
    return ((None,) * len(found),)


def said(error: BaseException) -> CommandError | None:
    """An error of SQLite's in words; None for one that has none of its own."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return locked("The database")
    if "no such function" in text or "no such collation" in text or "no such module" in text:
        return CommandError(
            f"SQLite does not know something that the app adds to its connections: {text[:100]}.",
            "flasktop plans on a connection of its own, without the app's functions and extensions.",
        )
    if text.startswith("no such "):
        return CommandError(f"SQLite says: {text[:200]}.", "It may have been dropped, or be temporary.")
    if "unable to open" in text or "not a database" in text:
        return CommandError(f"SQLite says: {text[:100]}.", "The app's own connections may still have the file open.")
    return None
