"""The fix in words: the index as SQL and as SQLAlchemy writes it, what hides a column, how a list is cut into pages."""

from __future__ import annotations

import re
from typing import Final

from flasktop.findings.sql.model import Candidate, Hidden, Scope, Source, Term, Use

_CALLED: Final = 60
"""Characters of an index's name: PostgreSQL cuts at 63 bytes."""
_BARE: Final = re.compile(r"[a-z_][a-z0-9_]*")
_WORDS: Final = """
all alter and any as asc between by case check column constraint create cross current_date current_time default delete
desc distinct drop else end except exists false for foreign from full grant group having in index inner insert
intersect into is join key keys left like limit natural not null offset on or order outer primary rank read references
right row rows select set table then to trigger true union unique update user using values when where window with write
"""
_RESERVED: Final = frozenset(_WORDS.split())
"""Words that some database takes for its own."""

PAGE: Final = 50
"""Rows of a page in the examples."""


def name_of(candidate: Candidate) -> str:
    """What SQLAlchemy calls such an index: ``ix_review_product_id``."""
    parts = [candidate.table, *([candidate.function] if candidate.function else []), *candidate.columns]
    return ("ix_" + "_".join(parts))[:_CALLED]


def create_index(candidate: Candidate, dialect: str) -> str:
    """``CREATE INDEX ix_review_product_id ON review (product_id)``, in the dialect's quoting."""
    table = quoted(candidate.table, dialect)
    if candidate.schema:
        table = f"{quoted(candidate.schema, dialect)}.{table}"
    columns = ", ".join(quoted(column, dialect) for column in candidate.columns)
    inside = f"{candidate.function}({columns})" if candidate.function else columns
    if candidate.prefix:
        inside += " COLLATE NOCASE" if dialect == "sqlite" else " text_pattern_ops"
    return f"CREATE INDEX {quoted(name_of(candidate), dialect)} ON {table} ({inside})"


def declared(candidate: Candidate, dialect: str) -> str:
    """The same for the model: ``index=True`` on the column, or an ``Index`` in ``__table_args__``."""
    name, columns = name_of(candidate), candidate.columns
    if not candidate.function and not candidate.prefix:
        if len(columns) == 1:
            return f"{columns[0]} = mapped_column(..., index=True)"
        return f"__table_args__ = (Index({', '.join(map(_text, (name, *columns)))}),)"
    made = f"{candidate.function}({quoted(columns[0], dialect)})" if candidate.function else quoted(columns[0], dialect)
    if candidate.prefix and dialect == "sqlite":
        made += " COLLATE NOCASE"
    elif candidate.prefix:
        made += " text_pattern_ops"
    return f"__table_args__ = (Index({_text(name)}, text({_text(made)})),)"


def _text(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def quoted(name: str, dialect: str) -> str:
    """A name as the database wants it: in quotes only where it needs them.

    >>> quoted("review", "sqlite"), quoted("order", "mysql"), quoted("Order", "postgresql")
    ('review', '`order`', '"Order"')
    """
    if _BARE.fullmatch(name) and name not in _RESERVED:
        return name
    mark = "`" if dialect in ("mysql", "mariadb") else '"'
    return mark + name.replace(mark, mark * 2) + mark


# -- what hides a column --


def hidden_words(source: Source, term: Term) -> str:
    """``lower(review.title) is compared with a pattern: a function of the column is compared, not the column.``"""
    column = f"{source.table}.{term.column}"
    what = f"{term.function}({column})" if term.function else column
    return f"{what} is {term.use.value}: {term.hidden.value}."


def instead(term: Term, dialect: str) -> str:
    """What to write in place of a condition that hides its column; empty where nothing is known to help."""
    if term.function in ("lower", "upper"):
        case = f"{term.function}-cased"
        if term.use is Use.LIKE:
            return (
                f"Store the {case} value in an indexed column of its own and compare that as a range: "
                "key >= 'abc' AND key < 'abd'."
            )
        return f"Store the {case} value in an indexed column of its own and compare that."
    if term.function == "date":
        return f"Compare {term.column} itself with a range: {term.column} >= :day AND {term.column} < :next_day."
    if term.hidden is Hidden.ARITHMETIC:
        return f"Move the calculation to the other side, so that {term.column} stands alone."
    if term.hidden is Hidden.CAST:
        return f"Compare {term.column} in its own type, and convert the value instead."
    if term.hidden is Hidden.COLLATION:
        return f"Index {term.column} by that collation, or compare it by its own."
    if term.hidden is Hidden.ANY_CASE:
        return f"Compare lower({term.column}) and index that, or index it with pg_trgm."
    if term.hidden is Hidden.PATTERN:
        return (
            f"Search for the beginning of {term.column} ('abc%', not '%abc%'), or use the database's full text search."
        )
    return f"Store what the function makes of {term.column} in an indexed column of its own and compare that."


# -- a page at a time --


def in_pages(scope: Scope) -> str:
    """The paginated form as SQLAlchemy writes it; by what the statement is ordered by, else by the primary key."""
    order = "" if scope.ordered else ".order_by(Model.id)"
    return f"query{order}.limit({PAGE}).offset({PAGE} * page)"


def by_key(scope: Scope) -> str:
    """The same by the last row seen, which stays fast on late pages; empty where the order has several columns. Rows
    that are alike in what they are ordered by are told apart by the primary key, else some would be skipped."""
    if scope.ordered and len(scope.order) != 1:
        return ""
    column, descending = (scope.order[0].column, scope.order[0].descending) if scope.order else ("id", False)
    sign, behind = ("<", ".desc()") if descending else (">", "")
    order = f".order_by(Model.id{behind})" if not scope.ordered or column != "id" else ""
    if column == "id":
        return f"query.where(Model.id {sign} last_id){order}.limit({PAGE})"
    return f"query.where(tuple_(Model.{column}, Model.id) {sign} (last_{column}, last_id)){order}.limit({PAGE})"
