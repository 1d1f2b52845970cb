"""From a statement's tree to its shape: which tables, which conditions on which columns, in which order, how many."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from flasktop.findings.sql.model import Key, Scope, Shape, Source, Term
from flasktop.findings.sql.parsed import tree
from flasktop.findings.sql.terms import Names, conjuncts, terms_of

KEPT: Final = 500
"""Statements whose shapes are kept."""
SCOPES: Final = 50
"""SELECTs within one statement that are looked at."""


@lru_cache(maxsize=KEPT)
def shape(text: str, dialect: str) -> Shape | None:
    """The shape of a masked statement; None where it cannot be understood. Never raises.

    Args:
        text: as ``StatementDef.text``.
        dialect: SQLAlchemy's name of it.
    """
    root = tree(text, dialect)
    if root is None:
        return None
    try:
        return _shape(root, dialect)
    except (AttributeError, TypeError, KeyError, IndexError, ValueError, RecursionError):
        return None  # another version of sqlglot, or a tree that nobody has thought of


def _shape(root: Any, dialect: str) -> Shape | None:
    from sqlglot import exp

    temporary = {each.alias.lower() for each in root.find_all(exp.CTE)}
    selects: list[Any] = [root, *(each for each in root.find_all(exp.Select) if each is not root)]
    kind = "update" if isinstance(root, exp.Update) else "delete" if isinstance(root, exp.Delete) else "select"
    scopes = tuple(_scope(each, dialect, temporary) for each in selects[:SCOPES])
    return Shape(kind, scopes, _limited(root) or _few_at_its_start(root), kind == "select" and _one_row(root))


def _scope(node: Any, dialect: str, temporary: set[str]) -> Scope:
    from sqlglot import exp

    names = Names(dialect)
    joins = [each for each in node.args.get("joins") or [] if isinstance(each, exp.Join)]
    for each in _tables(node, joins):
        known = isinstance(each, exp.Table) and each.name.lower() not in temporary
        source = Source(names.of(each.this), names.of_alias(each), names.of(each.args.get("db"))) if known else None
        names.add(source)
    found: list[Term] = []
    where = node.args.get("where")
    if where is not None:
        for each in conjuncts(where.this):
            found += terms_of(each, names)
    for join in joins:
        found += _join_terms(join, names)
    keys, ordered = _order(node, names)
    return Scope(
        tuple(source for source in names.sources if source is not None),
        tuple(dict.fromkeys(found)),
        keys,
        ordered,
        _limited(node),
        bool(node.args.get("group") or node.args.get("distinct")),
    )


def _tables(node: Any, joins: list[Any]) -> Iterator[Any]:
    """What stands in FROM, and behind UPDATE or DELETE FROM."""
    from sqlglot import exp

    if isinstance(node, (exp.Update, exp.Delete)):
        yield node.this
    start = node.args.get("from_") or node.args.get("from")  # its name differs between versions
    if start is not None:
        yield start.this
        yield from (join.this for join in start.this.args.get("joins") or [])
    if isinstance(node.this, exp.Table):
        yield from (join.this for join in node.this.args.get("joins") or [])
    yield from (join.this for join in joins)


def _join_terms(join: Any, names: Names) -> list[Term]:
    """The conditions of a join; of an outer one only those that choose among the rows of the table joined."""
    side = str(join.args.get("side") or "").upper()
    if side in ("RIGHT", "FULL"):
        return []
    found: list[Term] = []
    condition = join.args.get("on")
    if condition is not None:
        for each in conjuncts(condition):
            found += terms_of(each, names)
    if side == "LEFT":
        joined = names.of_alias(join.this)
        found = [term for term in found if term.source == joined]
    return found


def _order(node: Any, names: Names) -> tuple[tuple[Key, ...], bool]:
    from sqlglot import exp

    order = node.args.get("order")
    if order is None:
        return (), False
    made = {each.alias.lower() for each in node.expressions if isinstance(each, exp.Alias)}
    keys = []
    for each in order.expressions:
        column = each.this
        if not isinstance(column, exp.Column) or (not column.table and column.name.lower() in made):
            return (), True
        keys.append(Key(names.source_of(column), names.of(column.this), bool(each.args.get("desc"))))
    return tuple(keys), True


def _limited(node: Any) -> bool:
    return node.args.get("limit") is not None or node.args.get("fetch") is not None


def _few_at_its_start(root: Any) -> bool:
    """Whether a few rows are chosen first and others joined to them: how SQLAlchemy loads collections with a LIMIT."""
    from sqlglot import exp

    start = root.args.get("from_") or root.args.get("from")
    inside = start.this if start is not None else None
    joins = root.args.get("joins") or []
    return isinstance(inside, exp.Subquery) and _limited(inside.this) and all(join.args.get("on") for join in joins)


def _one_row(node: Any) -> bool:
    from sqlglot import exp

    if not isinstance(node, exp.Select) or node.args.get("group") is not None:
        return False
    if not (node.args.get("from_") or node.args.get("from")):
        return True
    return any(_aggregates(each) for each in node.expressions)


def _aggregates(node: Any) -> bool:
    """Whether an aggregate of this very SELECT stands in an expression."""
    from sqlglot import exp

    if isinstance(node, (exp.Select, exp.Window, exp.Subquery)):
        return False
    return isinstance(node, exp.AggFunc) or any(_aggregates(each) for each in node.iter_expressions())
