"""Conditions, one by one: which column is compared, how, and what hides it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flasktop.findings.sql.model import Hidden, Source, Term, Use


class Names:
    """The tables that a SELECT can name, and how its database takes names."""

    def __init__(self, dialect: str) -> None:
        self._folds = dialect == "postgresql"
        self.sources: list[Source | None] = []

    def add(self, source: Source | None) -> None:
        """One more; None: something else than a table (a subquery, a common table expression, a function)."""
        self.sources.append(source)

    def of(self, identifier: Any) -> str:
        """A name as the database has it: PostgreSQL folds those without quotes."""
        if identifier is None:
            return ""
        name = str(identifier.name)
        return name.lower() if self._folds and not identifier.args.get("quoted") else name

    def of_alias(self, table: Any) -> str:
        """What a statement calls a table."""
        alias = table.args.get("alias")
        return self.of(alias.this) if alias is not None and alias.this is not None else self.of(table.this)

    def source_of(self, column: Any) -> str:
        """The name of the table that a column belongs to; empty where that is not known."""
        qualifier = self.of(column.args.get("table"))
        if not qualifier:
            only = self.sources[0] if len(self.sources) == 1 else None
            return only.name if only is not None else ""
        return next((one.name for one in self.sources if one and one.name.lower() == qualifier.lower()), "")

    def is_foreign(self, column: Any) -> bool:
        """Whether a column is known to be none of these tables': of a subquery's, or of a SELECT around this one."""
        return bool(column.args.get("table")) and not self.source_of(column)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a comparison: a column, perhaps hidden."""

    node: Any
    hidden: Hidden
    function: str


def conjuncts(condition: Any) -> Iterator[Any]:
    """The conditions that all must hold."""
    from sqlglot import exp

    if isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
    elif isinstance(condition, exp.Paren):
        yield from conjuncts(condition.this)
    else:
        yield condition


def terms_of(condition: Any, names: Names) -> list[Term]:
    """What one condition says of the columns it compares; nothing where no index could serve it."""
    from sqlglot import exp

    if isinstance(condition, exp.Or):
        return _either(condition, names)
    if isinstance(condition, exp.In):
        listed = condition.args.get("query") is None
        return _compared(condition.this, [], Use.EQUAL, names, listed=listed)
    if isinstance(condition, exp.Between):
        return _compared(condition.this, [condition.args["low"], condition.args["high"]], Use.RANGE, names)
    if isinstance(condition, exp.Escape):
        condition = condition.this
    use = next((use for kind, use in _uses() if isinstance(condition, kind)), None)
    if use is None or condition.args.get("negate"):
        return []
    left, right = condition.this, condition.expression
    found = _compared(left, [right], use, names)
    if use is not Use.LIKE:
        found += _compared(right, [left], use, names)
    elif isinstance(condition, exp.ILike):
        found = [replace(term, hidden=Hidden.ANY_CASE) for term in found]
    elif found and found[0].hidden is Hidden.NOT:
        found = [replace(term, hidden=Hidden.PATTERN) for term in found]
    return found


def _uses() -> list[tuple[Any, Use]]:
    from sqlglot import exp

    equal, like = (exp.EQ, exp.NullSafeEQ, exp.Is), (exp.Like, exp.ILike)
    return [(equal, Use.EQUAL), ((exp.GT, exp.GTE, exp.LT, exp.LTE), Use.RANGE), (like, Use.LIKE)]


def _either(condition: Any, names: Names) -> list[Term]:
    """``a = 1 OR a = 2`` is a list; of others no single index serves both."""
    from sqlglot import exp

    parts = [condition.this, condition.expression]
    found = []
    while parts:
        part = parts.pop()
        if isinstance(part, exp.Paren):
            parts.append(part.this)
        elif isinstance(part, exp.Or):
            parts += [part.this, part.expression]
        else:
            terms = terms_of(part, names)
            if len(terms) != 1 or terms[0].use is not Use.EQUAL or terms[0].joins:
                return []
            found.append(terms[0])
    one = {(term.source, term.column, term.hidden, term.function) for term in found}
    return [replace(found[0], listed=True)] if len(one) == 1 else []


def _compared(node: Any, others: list[Any], use: Use, names: Names, *, listed: bool = False) -> list[Term]:
    """The term of one side, unless the other side is of the same table: then no index helps."""
    side = _side(node)
    if side is None or names.is_foreign(side.node):
        return []
    source = names.source_of(side.node)
    columns = [column for other in others for column in _columns(other)]
    if any(names.source_of(column) == source for column in columns):
        return []
    return [Term(source, names.of(side.node.this), use, side.hidden, side.function, joins=bool(columns), listed=listed)]


def _columns(node: Any) -> list[Any]:
    """The columns in an expression that its own SELECT may mean."""
    from sqlglot import exp

    return list(node.find_all(exp.Column))


def _side(node: Any) -> _Side | None:
    """The one column of an expression, and what hides it; None where there is none, or several."""
    from sqlglot import exp

    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Column):
        return _Side(node, Hidden.NOT, "")
    if isinstance(node, (exp.Select, exp.Subquery, exp.SetOperation)):
        return None
    columns = _columns(node)
    if len({(column.table, column.name) for column in columns}) != 1 or list(node.find_all(exp.Select)):
        return None
    hidden = _hidden(node)
    return _Side(columns[0], hidden, _function(node) if hidden is Hidden.FUNCTION else "") if hidden else None


def _hidden(node: Any) -> Hidden | None:
    from sqlglot import exp

    if isinstance(node, exp.Collate):
        return Hidden.COLLATION
    if isinstance(node, exp.Cast):
        return Hidden.CAST
    if isinstance(node, (exp.Binary, exp.Unary)) and not isinstance(node, exp.Func):
        return Hidden.ARITHMETIC
    return Hidden.FUNCTION if isinstance(node, exp.Func) else None


def _function(node: Any) -> str:
    """The function's name, where it is one of those that an index may be of, and takes the bare column."""
    from sqlglot import exp

    kinds = {
        exp.Lower: "lower",
        exp.Upper: "upper",
        exp.Length: "length",
        exp.Abs: "abs",
        exp.Date: "date",
        exp.TsOrDsToDate: "date",
    }
    others = [each for each in node.args.values() if each not in (None, [], False)]
    bare = isinstance(node.this, exp.Column) and others == [node.this]
    return kinds.get(type(node), "") if bare else ""
