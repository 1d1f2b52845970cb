"""What is known of a database engine on the hot path, and of what runs in it."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

import msgspec


class Engine:
    """What is said of an engine: ``name`` without credentials, such as ``postgresql://db/shop``, and its dialect.

    Of each text that ran since the agent's thread looked last, ``seen`` holds what the cursor got: the statement and
    the parameters that ran first since. They never leave the process. ``sql`` is the SQLAlchemy engine, while there is
    one. ``local``: the database runs inside this process, so that a short statement is CPU time and nothing else;
    ``slow`` are those texts of a local database that were not short once, for which the clock is read.
    """

    __slots__ = ("__weakref__", "dialect", "local", "name", "seen", "slow", "sql")

    def __init__(self, name: str, dialect: str, sql: Callable[[], Any] = lambda: None) -> None:
        self.name = name
        self.dialect = dialect
        self.local = dialect == "sqlite"
        self.seen: dict[str, tuple[str, Any]] = {}
        self.slow: set[str] = set()
        self.sql = sql


class SpanIdentity(msgspec.Struct, gc=False, eq=False):
    """What makes spans the same row of queries: who made them, in which ``engine``, and where.

    ``code`` and ``instruction`` name the line of the user's code (resolved later, off the hot path); ``relationship``
    is SQLAlchemy's property object of a lazy load. ``row`` is for the table that gives rows their ids: its token, the
    id and the row's kind. All runs of a known statement have one such object: one reference for each to take and to
    give up, which the processors of two threads would else send each other for each of the fields.

    What is not known (an insert, raw SQL, a commit) has one each time, of which the garbage collector does not know, as
    of their records: so it must not lead back to itself. See ``LazyIdentity``.
    """

    kind: str
    text: str
    engine: Engine
    code: CodeType | None
    instruction: int
    relationship: object = None
    row: tuple[object, int, str] | None = None

    def key(self) -> tuple[object, ...]:
        """By identity, since hashing a code object hashes its bytecode: whoever keeps a key keeps this, too."""
        return (self.kind, self.text, self.engine.name, id(self.code), self.instruction, id(self.relationship))


class LazyIdentity(SpanIdentity, gc=True, eq=False):
    """One with a ``relationship``: that leads to its mapper, whose compiled statements may lead here."""
