"""Which indexes could help a statement: for the tables that its plan reads in full, from the columns it compares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from flasktop.findings.sql.model import Candidate, Hidden, Scope, Shape, Source, Term, Use
from flasktop.protocol.commands.index import FUNCTIONS
from flasktop.stats.plans.model import Mark, Node, Plan

MOST: Final = 4
"""Candidates of a statement."""
COLUMNS: Final = 3
"""Columns of an index that is proposed: further ones narrow down little and cost with each write."""

_READS_ALL: Final = frozenset({Mark.FULL_SCAN, Mark.OWN_INDEX, Mark.INDEX_SCAN})
_WORD: Final = re.compile(r"\w+")


def scanned(plan: Plan) -> tuple[Node, ...]:
    """The nodes of a plan that read all rows of a table, or build an index of it each time; not of small ones."""
    return tuple(node for node in plan.nodes() if node.table and not node.small and _READS_ALL.intersection(node.marks))


def candidates(shape: Shape, plan: Plan, dialect: str) -> tuple[Candidate, ...]:
    """The indexes to try, the likeliest first; none where nothing is read in full, or nothing is compared."""
    found: list[Candidate] = []
    sorts = any(Mark.SORT in node.marks for node in plan.nodes())
    for node in scanned(plan):
        for scope in shape.scopes:
            source = _source(scope, node)
            if source is not None:
                terms = tuple(_terms(scope, source, node))
                found += _of(scope, source, terms, dialect, Mark.OWN_INDEX in node.marks)
                if sorts and not terms:
                    found += _in_order(scope, source)
    once = {(each.schema, each.table, each.columns, each.function, each.prefix): each for each in reversed(found)}
    return tuple(reversed(once.values()))[:MOST]


def hiding(shape: Shape, plan: Plan) -> tuple[tuple[Source, Term], ...]:
    """The conditions on tables read in full whose columns are hidden from an index."""
    found: dict[tuple[Source, Term], None] = {}
    for node in scanned(plan):
        for scope in shape.scopes:
            source = _source(scope, node)
            if source is not None:
                found |= {(source, term): None for term in _terms(scope, source, node) if term.hidden is not Hidden.NOT}
    return tuple(found)


def _source(scope: Scope, node: Node) -> Source | None:
    """The table of a scope that a node reads: by its alias, since databases name some by nothing else."""
    name = (node.alias or node.table).lower()
    for source in scope.sources:
        if source.name.lower() == name and (not node.alias or source.table.lower() == node.table.lower()):
            return source
    return None


def _terms(scope: Scope, source: Source, node: Node) -> Iterator[Term]:
    """The terms of a table. Whose column one without a table's name is, the node's own filter may tell."""
    filtered = {word.lower() for name, text in node.conditions if name == "filter" for word in _WORD.findall(text)}
    for term in scope.terms:
        if term.source == source.name or (not term.source and term.column.lower() in filtered):
            yield term


def _of(scope: Scope, source: Source, terms: tuple[Term, ...], dialect: str, inner: bool) -> Iterator[Candidate]:
    """The candidates of one table. ``inner``: the database looks rows of it up again and again."""
    own = [term for term in terms if not term.joins]
    equal = _columns(own, Use.EQUAL)[:COLUMNS]
    ranges = [column for column in _columns(own, Use.RANGE) if column not in equal]
    joined = [column for column in _columns([term for term in terms if term.joins], Use.EQUAL) if column not in equal]
    if inner and joined:
        yield _plain(source, [*joined[:1], *equal][:COLUMNS], terms, True)
    if equal or ranges:
        yield _plain(source, [*equal, *ranges[:1]][:COLUMNS], own, bool(equal))
    order = _order(scope, source)
    if equal and not ranges and order and [*equal, *order] != equal:
        yield _plain(source, list(dict.fromkeys([*equal, *order]))[:COLUMNS], own, False)
    yield from _hidden_ones(source, own, dialect)
    if joined and not inner:
        yield _plain(source, [*joined[:1], *equal][:COLUMNS], terms, False)


def _in_order(scope: Scope, source: Source) -> Iterator[Candidate]:
    """The first rows of a table that nothing else is asked of: an index gives them without reading the others."""
    order = _order(scope, source)
    if order and scope.limited and not scope.grouped and len(scope.sources) == 1:
        yield _plain(source, list(order)[:COLUMNS], (), False)


def _hidden_ones(source: Source, own: Iterable[Term], dialect: str) -> Iterator[Candidate]:
    """Indexes of what a function makes of a column, and those in which LIKE can look beginnings up."""
    if dialect not in ("sqlite", "postgresql"):
        return
    for term in own:
        like = term.use is Use.LIKE
        if term.hidden is Hidden.PATTERN or (term.hidden is Hidden.FUNCTION and term.function in FUNCTIONS):
            yield Candidate(source.table, (term.column,), source.schema, term.function, like, (term,))


def _columns(terms: Iterable[Term], use: Use) -> list[str]:
    """The bare columns that are compared so, in their order."""
    return list(dict.fromkeys(term.column for term in terms if term.use is use and term.hidden is Hidden.NOT))


def _order(scope: Scope, source: Source) -> tuple[str, ...]:
    """The columns that the rows are ordered by, where an index could give them in that order."""
    if len({key.descending for key in scope.order}) != 1 or any(key.source != source.name for key in scope.order):
        return ()
    return tuple(key.column for key in scope.order)


def _plain(source: Source, columns: list[str], terms: Iterable[Term], sure: bool) -> Candidate:
    why = tuple(term for term in terms if term.column in columns and term.hidden is Hidden.NOT)
    return Candidate(source.table, tuple(columns), source.schema, why=why, sure=sure)
