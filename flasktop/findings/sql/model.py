"""What is known of a statement: its sources, the terms it looks rows up by, its order, and how much it may return."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Use(Enum):
    """How a column is compared. The value is said in words."""

    EQUAL = "compared with a value"
    RANGE = "compared with a range"
    LIKE = "compared with a pattern"


class Hidden(Enum):
    """What stands between a column and an index of it. The value is said in words."""

    NOT = ""
    FUNCTION = "a function of the column is compared, not the column"
    ARITHMETIC = "the column is part of a calculation"
    CAST = "the column is cast to another type"
    COLLATION = "the column is compared by another collation"
    PATTERN = (
        "LIKE can look up the beginning of a text only, and masked text does not tell what the pattern begins with"
    )
    ANY_CASE = "ILIKE ignores case, which an ordinary index does not"


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a statement. ``name`` is what the statement calls it: its alias, or the table's own name."""

    table: str
    name: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition that every row must meet. ``source`` is the name of the table (empty: the statement does not say
    whose column it is). ``function`` is what is made of the column first (empty: nothing, or nothing that has one
    name). ``joins``: it is compared with another table's column; ``listed``: with a list of values."""

    source: str
    column: str
    use: Use
    hidden: Hidden = Hidden.NOT
    function: str = ""
    joins: bool = False
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A column that rows are ordered by."""

    source: str
    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """One SELECT, UPDATE or DELETE with what stands in its own FROM and WHERE. ``order`` is empty where it is ordered
    by nothing, or by something else than columns; ``ordered`` tells the two apart."""

    sources: tuple[Source, ...]
    terms: tuple[Term, ...] = ()
    order: tuple[Key, ...] = ()
    ordered: bool = False
    limited: bool = False
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A statement. ``scopes`` has the outermost first. ``kind`` is ``select``, ``update`` or ``delete``. ``limited``:
    it says how many rows it returns at most; ``one_row``: it is an aggregate without GROUP BY, or reads no table."""

    kind: str
    scopes: tuple[Scope, ...]
    limited: bool = False
    one_row: bool = False

    @property
    def outermost(self) -> Scope:
        return self.scopes[0]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index that could help. ``why`` are the terms it serves. ``function`` and ``prefix`` are as in
    ``protocol.commands.index.TryIndex``. ``sure``: a database uses such an index whenever few rows match, so that it
    may be proposed without a trial."""

    table: str
    columns: tuple[str, ...]
    schema: str = ""
    function: str = ""
    prefix: bool = False
    why: tuple[Term, ...] = ()
    sure: bool = False
