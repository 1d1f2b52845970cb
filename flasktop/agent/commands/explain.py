"""Plans statements: those that ran here, named by their ids, with the parameters they last ran with; also as they would
be planned with one index more."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import structs

from flasktop.agent.commands.job import CommandError
from flasktop.agent.plans import hypopg, mysql, postgresql, sqlite, sqlite_copy
from flasktop.agent.plans.connection import check_exists, connect, unheard
from flasktop.agent.plans.elsewhere import Elsewhere
from flasktop.agent.plans.masked import masked_plan
from flasktop.agent.plans.request import Request, failed
from flasktop.agent.plans.texts import checked, placeholders
from flasktop.agent.plans.trial import check_names
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.explain import GENERIC, LAST, NONE, Explain, Planned
from flasktop.protocol.commands.index import IndexTried, TryIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from flasktop.agent.commands.job import Job
    from flasktop.agent.plans.request import Planner
    from flasktop.agent.plans.trial import Trier
    from flasktop.agent.runtime import Agent
    from flasktop.agent.sql.executed import Executed
    from flasktop.protocol.commands import Answer, Command

_PLANNERS: Final[dict[str, Any]] = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mysql, "mariadb": mysql}
_TRIERS: Final[dict[str, Any]] = {"sqlite": sqlite_copy, "postgresql": hypopg}

T = TypeVar("T")


class Explaining:
    """Makes plans, one at a time."""

    def __init__(self, agent: Agent) -> None:
        self._executed = agent.recorder.executed
        self._elsewhere = Elsewhere(agent.hub)

    def run(self, command: Command, job: Job) -> Answer:
        assert isinstance(command, (Explain, TryIndex))
        if isinstance(command, TryIndex):
            check_names(command)
        request = self._request(command.statement)
        planner: Planner | None = _PLANNERS.get(request.engine.dialect.name)
        if planner is None:
            raise CommandError(
                f"flasktop does not make plans with {request.engine.dialect.name}.",
                "It does with SQLite, PostgreSQL, MariaDB, MySQL.",
            )
        if isinstance(command, TryIndex):
            return self._try(planner, request, command, job)
        job.working("asking the database")
        began = time.time(), time.perf_counter()
        found = self._connected(planner, request, job, lambda connection: planner.plan(connection, request))
        name = "mariadb" if "mariadb" in found.version.lower() else request.engine.dialect.name
        return Planned(
            command.statement,
            name,
            found.version,
            masked_plan(found.plan, request.engine.dialect.name),
            _parameters(found.generic, request),
            request.executed.at,
            began[0],
            time.perf_counter() - began[1],
            (*found.notes, *_notes(request)),
        )

    def _try(self, planner: Planner, request: Request, wanted: TryIndex, job: Job) -> IndexTried:
        name = request.engine.dialect.name
        trier: Trier | None = _TRIERS.get(name)
        if trier is None:
            raise CommandError(
                "MySQL and MariaDB have no way to try an index that does not exist.",
                "Create it in a copy of the database and compare the plans there.",
            )
        job.working("trying the index")
        began = time.time(), time.perf_counter()
        found = self._connected(planner, request, job, lambda connection: trier.tried(connection, request, wanted))
        return IndexTried(
            wanted.statement,
            name,
            found.version,
            masked_plan(found.before, name),
            masked_plan(found.after, name),
            found.index,
            found.used,
            found.how,
            _parameters(found.generic, request),
            request.executed.at,
            began[0],
            time.perf_counter() - began[1],
            (*found.notes, *_notes(request)),
        )

    def close(self) -> None: ...

    def _request(self, number: int) -> Request:
        found = self._executed.find(number)
        if found is None:
            raise CommandError(
                "The worker does not hold this statement (any more).",
                "It did not run here, it is no statement, its text is too long, or its engine is gone.",
                GONE,
            )
        described, executed = found
        engine = described.sql()
        if engine is None:
            raise CommandError("The engine that ran this statement is gone.", "Ask when it has run again.", GONE)
        if not executed.at and "__[" in executed.statement:
            raise _let_go()  # SQLAlchemy's own text, which it makes anew for each list of values
        statement = checked(executed.statement, described.dialect)
        return Request(engine, statement, _with_reason(executed, engine, statement))

    def _connected(self, planner: Planner, request: Request, job: Job, ask: Callable[[Any], T]) -> T:
        """What ``ask`` finds out on a connection of flasktop's own, which is rolled back and closed."""
        engine = request.engine
        check_exists(engine)
        opened: list[Any] = []

        def work() -> T:
            connection = connect(engine)
            opened.append(connection)
            try:
                return ask(connection)
            finally:
                opened.clear()
                with suppress(Exception):
                    connection.rollback()
                connection.close()

        def interrupt() -> None:
            for connection in tuple(opened):
                with suppress(Exception):
                    connection.interrupt()  # SQLite's; the others have time-outs of their own

        try:
            is_async = bool(getattr(engine.dialect, "is_async", False))
            return self._elsewhere.run(work, job, is_async=is_async, interrupt=interrupt)
        except CommandError:
            raise
        except Exception as error:
            raise (planner.said(error) or failed(error)) from error


def _parameters(generic: bool, request: Request) -> str:
    return GENERIC if generic else LAST if request.executed.parameters else NONE


def _let_go() -> CommandError:
    return CommandError(
        "What this statement last ran with has been let go of for newer statements.",
        "Ask soon after it has run again.",
        GONE,
    )


def _with_reason(executed: Executed, engine: Any, statement: str) -> Executed:
    """The same, but where it has placeholders and nothing is held for them: said to be so."""
    if executed.at or executed.unkept:
        return executed
    dialect = engine.dialect
    if placeholders(statement, dialect.name, dialect.paramstyle):
        return structs.replace(executed, unkept="they have been let go of for newer ones")
    return executed


def _notes(request: Request) -> tuple[str, ...]:
    number = unheard(request.engine)
    if not number:
        return ()
    listeners = "a listener sets" if number == 1 else f"{number} listeners set"
    return (f"In the app {listeners} up new connections; this plan was made without.",)
