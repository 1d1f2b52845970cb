"""What a database's planner is asked, what it answers, and what the errors of all of them have in common."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans.masked import masked_words
from flasktop.protocol.commands import IMPOSSIBLE, TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flasktop.agent.sql.executed import Executed

STATEMENT_S: Final = 3
"""Seconds that the database may take to plan."""
LOCK_S: Final = 1
"""Seconds to wait for a lock that others hold: long ones are worth knowing, not worth waiting for."""


@dataclass(frozen=True, slots=True)
class Request:
    """A checked statement to be planned, as the cursor got it, with its parameters unless they were not kept."""

    engine: Any
    statement: str
    executed: Executed


@dataclass(frozen=True, slots=True)
class Found:
    """A plan: from JSON or still JSON, not masked yet."""

    plan: Any
    version: str
    generic: bool = False
    notes: tuple[str, ...] = ()


class Planner(Protocol):
    """A module for one database."""

    def plan(self, connection: Any, request: Request) -> Found: ...
    def said(self, error: BaseException) -> CommandError | None: ...


class Cursor:
    """A DBAPI cursor that is closed again; ``run`` is one statement of ours, ``ask`` one with its rows."""

    def __init__(self, connection: Any) -> None:
        self._cursor = connection.cursor()

    def run(self, statement: str, *parameters: Any) -> None:
        self._cursor.execute(statement, *parameters)

    def ask(self, statement: str, *parameters: Any) -> list[Any]:
        self._cursor.execute(statement, *parameters)
        return list(self._cursor.fetchall())

    def close(self) -> None:
        self._cursor.close()


@contextmanager
def cursor_of(connection: Any) -> Iterator[Cursor]:
    """A cursor for the length of a block."""
    cursor = Cursor(connection)
    try:
        yield cursor
    finally:
        cursor.close()


def arguments(request: Request) -> tuple[Any, ...]:
    """What to call ``execute`` with behind the statement: the parameters, or nothing where the app gave nothing."""
    return () if request.executed.parameters is None else (request.executed.parameters,)


def without_parameters(request: Request, hint: str) -> CommandError:
    """The refusal where a plan needs parameters that are not there."""
    why = request.executed.unkept or "they have been let go of for newer ones"
    return CommandError(f"The parameters it last ran with are not kept: {why}.", hint)


def failed(error: BaseException) -> CommandError:
    """A database's error that nobody has better words for; what it quotes is masked, since it may be a value."""
    code, words = error.args if len(error.args) == 2 and isinstance(error.args[0], int) else (None, error)
    name = type(error).__name__ if code is None else f"{type(error).__name__} {code}"
    return CommandError(
        f"The database did not plan it: {name}: {masked_words(str(words))}",
        "It was asked on a connection of flasktop's own; the app is not affected.",
        IMPOSSIBLE,
    )


def locked(what: str) -> CommandError:
    """The refusal where others hold a lock that planning needs."""
    return CommandError(
        f"{what} is locked by another transaction; flasktop waited {LOCK_S} s.",
        "Statements that need it wait as well. Try again when it is done.",
        TIMED_OUT,
    )


def too_slow() -> CommandError:
    """The refusal where planning itself takes too long."""
    return CommandError(
        f"The database did not plan it within {STATEMENT_S} s and was stopped.",
        "It is very busy, or the statement is very large. Try again.",
        TIMED_OUT,
    )
