"""What a further index would change in a statement's plan: tried without touching the user's database."""

from __future__ import annotations

from typing import Final

from flasktop.protocol.records import Message

FUNCTIONS: Final = ("lower", "upper", "length", "abs", "date")
"""What an index may hold of a column in place of the column itself."""
COLUMNS: Final = 8
"""Columns of one index."""

# IndexTried.how
COPY: Final = "copy"
"""The index was made in a copy of the schema, without rows, in the worker's memory (SQLite)."""
HYPOTHETICAL: Final = "hypothetical"
"""The database's planner was told of an index that does not exist (PostgreSQL with HypoPG)."""


class TryIndex(Message, frozen=True, tag="explain.index"):
    """Plan statement ``statement`` as it ran last, without and with an index on ``columns`` of ``table``.

    All are names, which the worker looks up in the database's own catalogue. ``schema`` is empty where the statement
    names none. ``function`` is one of ``FUNCTIONS``: the index is of what it makes of the one column. ``prefix``: the
    last column (or what the function makes of it) is indexed so that LIKE can look beginnings up in it (PostgreSQL:
    ``text_pattern_ops``; SQLite: ``COLLATE NOCASE``).
    """

    statement: int
    table: str
    columns: tuple[str, ...]
    function: str = ""
    prefix: bool = False
    schema: str = ""


class IndexTried(Message, frozen=True, tag="explain.index_tried"):
    """Two plans, as in ``Planned``: ``before`` without and ``after`` with the index, made one right after the other.

    ``index`` is what the index is called in ``after``; ``used`` says whether it stands there. ``how`` is one of the
    words above. ``parameters`` and ``seen_at`` are those of ``Planned``; ``tried_at`` (Unix seconds) is when, and
    ``seconds`` what it took, connecting included. ``notes`` says in words what the plans rest on and what may make them
    differ from the app's own.
    """

    statement: int
    dialect: str
    version: str
    before: str
    after: str
    index: str
    used: bool
    how: str
    parameters: str
    seen_at: float
    tried_at: float
    seconds: float
    notes: tuple[str, ...] = ()
