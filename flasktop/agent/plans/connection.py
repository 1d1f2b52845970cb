"""A connection of flasktop's own to an engine's database: made as the engine's pool makes its own, outside of it."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from flasktop.agent.commands.job import CommandError


def connect(engine: Any) -> Any:
    """A new DBAPI connection (SQLAlchemy's adapter of one where the driver is asynchronous), set up as SQLAlchemy sets
    up its own. What the app sets up in listeners of its pool is missing, see ``unheard``.

    Raises:
        CommandError: the database can only be seen by the app's own connections.
        Exception: whatever the driver says.
    """
    connection = _opened(engine)
    try:
        set_up = engine.dialect.on_connect_url(engine.url)
        if set_up is not None:
            set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(engine: Any) -> Any:
    """What the pool's creator makes. A creator of the app's own may hand out one and the same connection each time:
    that is the app's, and must be neither used nor closed here."""
    pool = engine.pool
    creator = pool._creator
    try:
        wrapped = pool._should_wrap_creator(creator)
        make = partial(wrapped, None)
    except AttributeError:
        make = creator
    connection = make()
    if str(getattr(creator, "__module__", "")).startswith("sqlalchemy.") and not engine.dialect.dispatch.do_connect:
        return connection
    other = make()  # where it cannot be made, the first is let go of unclosed: it may be the app's
    if other is connection:
        raise CommandError(
            "The app gives this engine one connection for all: there is none for flasktop.",
            "A plan is made on a connection of its own, so that the app's is left alone.",
        )
    other.close()
    return connection


def check_exists(engine: Any) -> None:
    """Raise CommandError where connecting would make a new, empty database: SQLite, whose file is gone."""
    if engine.dialect.name != "sqlite" or not engine.url.database or is_memory(engine):
        return
    path = str(engine.url.database)
    path = path[5:].partition("?")[0] if path.startswith("file:") else path
    if not os.path.exists(path):
        raise CommandError("The database's file is gone.", "flasktop does not make a new one.")


def is_memory(engine: Any) -> bool:
    """Whether a SQLite engine's URL names a database in memory."""
    database = str(engine.url.database or "")
    options = str(dict(engine.url.query)).lower()
    return not database or ":memory:" in database or "mode=memory" in database or "'memory'" in options


def is_shared(engine: Any) -> bool:
    """Whether a SQLite engine's URL lets all connections of the process share one database in memory."""
    return "cache=shared" in str(engine.url.database or "") or "'shared'" in str(dict(engine.url.query)).lower()


def unheard(engine: Any) -> int:
    """How many listeners of the app's own set up the connections of its pool, and were not asked here."""
    heard = [*engine.pool.dispatch.connect, *engine.pool.dispatch.first_connect]
    return sum(not str(getattr(listener, "__module__", "")).startswith("sqlalchemy") for listener in heard)
