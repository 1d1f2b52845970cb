"""What an engine is called on screen: its dialect and database, never its user, password or options."""

from __future__ import annotations

import weakref
from typing import Any, Final

from flasktop.agent.engine import Engine

MAX_ENGINES: Final = 256
"""Names that are told apart; further databases share one name a dialect."""

MAX_NAME: Final = 200
"""Characters of a name."""

_engines: dict[tuple[str, str], Engine] = {}
_live: dict[int, weakref.ref[Engine]] = {}


def of(sql: Any) -> Engine:
    """The Engine of one SQLAlchemy engine. Engines of one database have one name, but parameters of their own."""
    while (proxied := getattr(sql, "_proxied", None)) is not None:
        sql = proxied  # what ``execution_options`` gave lives no longer than its user wants
    name = named(sql.url, sql.dialect.name).name
    made = Engine(name, sql.dialect.name, weakref.ref(sql))
    if len(_live) >= MAX_ENGINES:
        for key, reference in tuple(_live.items()):
            known = reference()
            if known is None or known.sql() is None:
                _live.pop(key, None)
    if len(_live) < MAX_ENGINES:
        _live[id(made)] = weakref.ref(made)
    return made


def live() -> list[Engine]:
    """The Engines that are in use."""
    return [engine for reference in tuple(_live.values()) if (engine := reference()) is not None]


def named(url: Any, dialect: str) -> Engine:
    """The Engine of a URL (an ``sqlalchemy.engine.URL``); equal names are one object, however many engines."""
    name = name_of(url, dialect)
    known = _engines.get((name, dialect))
    if known is None:
        if len(_engines) >= MAX_ENGINES:
            name = f"{dialect}://…"
            known = _engines.get((name, dialect))
        if known is None:
            known = _engines.setdefault((name, dialect), Engine(name, dialect))
    return known


def name_of(url: Any, dialect: str) -> str:
    """``postgresql://host/db``, ``mysql://host:3307/db``, ``sqlite:///shop.db`` or ``sqlite:///:memory:``."""
    database = str(url.database or "").partition("?")[0]
    if dialect == "sqlite":
        return f"sqlite:///{database or ':memory:'}"[:MAX_NAME]
    port = f":{url.port}" if url.port else ""
    host = str(url.host or "").rpartition("@")[2]
    return f"{dialect}://{host}{port}{'/' + database if database else ''}"[:MAX_NAME]
