"""MariaDB and MySQL: ``EXPLAIN FORMAT=JSON``, never ANALYZE, in a transaction that is rolled back."""

from __future__ import annotations

from typing import Any, Final

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans.request import (
    LOCK_S,
    STATEMENT_S,
    Found,
    Request,
    arguments,
    cursor_of,
    locked,
    too_slow,
    without_parameters,
)
from flasktop.protocol.commands import GONE

_READ_ONLY: Final = 1792
_NAMES: Final = frozenset({1046, 1054, 1109, 1142, 1143, 1146, 1176, 1305})
"""Errors whose words quote names of the schema only."""


def plan(connection: Any, request: Request) -> Found:
    """What the server says."""
    if request.executed.unkept:
        raise without_parameters(request, "This database plans only with parameters: wait until it runs again.")
    with cursor_of(connection) as cursor:
        version = str(cursor.ask("SELECT VERSION()")[0][0])
        if "mariadb" in version.lower():
            cursor.run(f"SET SESSION max_statement_time = {STATEMENT_S}")
        else:
            cursor.run(f"SET SESSION max_execution_time = {STATEMENT_S * 1000}")
        cursor.run(f"SET SESSION lock_wait_timeout = {LOCK_S}")
        cursor.run(f"SET SESSION innodb_lock_wait_timeout = {LOCK_S}")
        explain = f"EXPLAIN FORMAT=JSON {request.statement}"
        cursor.run("START TRANSACTION READ ONLY")
        try:
            rows = cursor.ask(explain, *arguments(request))
        except Exception as error:
            if _code(error) != _READ_ONLY:
                raise
            # It refuses even the plan of what would write or lock. Planning does neither.
            connection.rollback()
            cursor.run("START TRANSACTION")
            rows = cursor.ask(explain, *arguments(request))
    return Found(rows[0][0], version)


def said(error: BaseException) -> CommandError | None:
    """An error of the server's in words; None for one that has none of its own."""
    code = _code(error)
    text = str(error.args[1]) if len(error.args) > 1 else ""
    if code == 1205:
        return locked("A table of this statement")
    if code in (1969, 3024):
        return too_slow()
    if code in (1040, 1203, 1226):
        return CommandError(
            "The server takes no more connections.", "max_connections is reached: close some, or try again later."
        )
    if code in _NAMES:
        return CommandError(f"The server says: {text[:200]}.", "It may have been dropped, or be a temporary one.", GONE)
    if code == 1064:
        return CommandError("The server cannot plan a statement of this kind.", "Its version may be too old for it.")
    return None


def _code(error: BaseException) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
