"""The plan of a statement, as its database makes it, without running it."""

from __future__ import annotations

from typing import Final

from flasktop.protocol.records import Message

# Planned.parameters
LAST: Final = "last"
"""Planned with the newest parameters that the statement ran with; they stay in the worker."""
NONE: Final = "none"
"""The statement has no parameters."""
GENERIC: Final = "generic"
"""Planned for any parameters (the database's generic plan), since those it ran with were not kept."""


class Explain(Message, frozen=True, tag="explain"):
    """Plan statement ``statement`` (its id in the worker's definition table) as it ran last."""

    statement: int


class Planned(Message, frozen=True, tag="explain.planned"):
    """A plan, its literals masked.

    ``plan`` is JSON: what ``EXPLAIN (FORMAT JSON)`` or ``EXPLAIN FORMAT=JSON`` said, and for SQLite the rows
    ``[id, parent, detail]`` of ``EXPLAIN QUERY PLAN``. ``dialect`` says whose (``sqlite``, ``postgresql``, ``mysql``,
    ``mariadb``), ``version`` as the server names itself. ``parameters`` is one of the words above, ``seen_at`` when
    they were seen (Unix seconds, 0: there are none), ``planned_at`` when it was planned, ``seconds`` what that took,
    connecting included. ``notes`` says in words what may make the plan differ from the app's own.
    """

    statement: int
    dialect: str
    version: str
    plan: str
    parameters: str
    seen_at: float
    planned_at: float
    seconds: float
    notes: tuple[str, ...] = ()
