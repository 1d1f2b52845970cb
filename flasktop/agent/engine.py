"""What is known of a database engine on the hot path, and of what runs in it."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

import msgspec


class Kept(msgspec.Struct, gc=False, eq=False):
    """What is told of a statement that is kept waiting: the CPU of the run that was read, for ``left`` runs that take
    no longer than ``longest_ns``."""

    cpu_ns: int
    longest_ns: int
    left: int


class Engine:
    """What is said of an engine: ``name`` without credentials, such as ``postgresql://db/shop``, and its dialect.

    Of each text that ran since the agent's thread looked last, ``seen`` holds what the cursor got: the statement and
    the parameters that ran first since. They never leave the process. ``sql`` is the SQLAlchemy engine, while there is
    one. ``local``: the database runs inside this process, so that a short statement is CPU time and nothing else;
    ``slow`` are those texts of a local database that were not short once, for which the clock is read, and ``waiting``
    those that were slow and took hardly any CPU.
    """

    __slots__ = ("__weakref__", "dialect", "local", "name", "seen", "slow", "sql", "waiting")

    def __init__(self, name: str, dialect: str, sql: Callable[[], Any] = lambda: None) -> None:
        self.name = name
        self.dialect = dialect
        self.local = dialect == "sqlite"
        self.seen: dict[str, tuple[str, Any]] = {}
        self.slow: set[str] = set()
        self.waiting: dict[str, Kept] = {}
        self.sql = sql


class SpanIdentity:
    """What makes spans the same row of queries: who made them, in which ``engine``, and where.

    ``code`` and ``instruction`` name the line of the user's code (resolved later, off the hot path); ``relationship``
    is SQLAlchemy's property object of a lazy load. ``row`` is for the table that gives rows their ids: its token, the
    id and the row's kind. All runs of a known statement have one such object: one reference for each to take and to
    give up, which the processors of two threads would else send each other for each of the fields.
    """

    __slots__ = ("code", "engine", "instruction", "kind", "relationship", "row", "text")

    def __init__(
        self, kind: str, text: str, engine: Engine, code: CodeType | None, instruction: int, relationship: object
    ) -> None:
        self.kind = kind
        self.text = text
        self.engine = engine
        self.code = code
        self.instruction = instruction
        self.relationship = relationship
        self.row: tuple[object, int, str] | None = None

    def key(self) -> tuple[object, ...]:
        """By identity, since hashing a code object hashes its bytecode: whoever keeps a key keeps this, too."""
        return (self.kind, self.text, self.engine.name, id(self.code), self.instruction, id(self.relationship))
