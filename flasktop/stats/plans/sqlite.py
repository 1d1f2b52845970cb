"""SQLite's ``EXPLAIN QUERY PLAN``: rows of ``[id, parent, detail]``, the detail in words of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from flasktop.stats.plans.model import Budget, Mark, Node, said

_STEP: Final = re.compile(
    r"(?P<word>SCAN|SEARCH) (?:TABLE |SUBQUERY (?=\d))?(?P<table>.+?)(?: AS (?P<alias>\S+))?"
    r"(?: (?P<constant>CONSTANT ROWS?))?"
    r"(?: USING (?P<how>.*?)| VIRTUAL TABLE INDEX (?P<virtual>.*?))?(?P<join> (?:LEFT|RIGHT|FULL)-JOIN)?$"
)
_INDEX: Final = re.compile(
    r"(?P<automatic>AUTOMATIC (?:PARTIAL )?)?(?P<covering>COVERING )?(?P<kind>INDEX|INTEGER PRIMARY KEY|PRIMARY KEY)"
    r"(?: (?P<name>(?!\().+?))?(?: \((?P<terms>.*)\))?(?: AND .*)?$"
)
_SORT: Final = re.compile(r"USE TEMP B-TREE FOR (?P<why>.+)$")


def parse(rows: Any) -> Sequence[Node]:
    """The nodes at the top."""
    children: dict[int, list[int]] = {}
    details: dict[int, str] = {}
    for row in rows:
        number, parent = int(row[0]), int(row[1])
        details[number] = said(row[2])
        children.setdefault(parent, []).append(number)
    derived = {match.group(2) for text in details.values() if (match := _NAMED.match(text))}
    budget = Budget()

    def made(number: int, depth: int) -> Node | None:
        if not budget.take(depth):
            return None
        below = tuple(node for each in children.get(number, ()) if each != number and (node := made(each, depth + 1)))
        return replace(_node(details[number], derived), children=below)

    return [node for each in children.get(0, ()) if (node := made(each, 0))]


_NAMED: Final = re.compile(r"(MATERIALIZE|CO-ROUTINE|SETUP|RECURSIVE STEP)\s+(\S+)")


def _node(detail: str, derived: set[str]) -> Node:
    sort = _SORT.match(detail)
    if sort is not None:
        why = sort.group("why")
        mark = Mark.SORT if "ORDER BY" in why else Mark.TEMPORARY
        return Node("TEMP B-TREE", conditions=(("for", why),), marks=(mark,))
    if detail.startswith("CORRELATED"):
        return Node(detail, marks=(Mark.EACH_ROW,))
    if detail.endswith("USING TEMP B-TREE"):
        return Node(detail, marks=(Mark.TEMPORARY,))
    step = _STEP.match(detail)
    return _step(step, detail, derived) if step is not None else Node(detail)


def _step(step: re.Match[str], detail: str, derived: set[str]) -> Node:
    word, table, alias = step.group("word"), step.group("table"), step.group("alias") or ""
    if step.group("constant") or table == "CONSTANT ROW" or table.isdigit() or step.group("virtual") is not None:
        return Node(detail)
    index = _INDEX.match(step.group("how") or "")
    operation = word + (step.group("join") or "").replace("-", " ")
    if index is None:
        if step.group("how"):
            return Node(detail)
        marks = (Mark.FULL_SCAN,) if word == "SCAN" and table not in derived and not table.startswith("(") else ()
        return Node(operation, table, alias, marks=marks)
    name = index.group("name") or ""
    if index.group("automatic"):
        name, marks = "its own index", (Mark.OWN_INDEX,)
    elif word == "SCAN":
        marks = (Mark.INDEX_SCAN,) if index.group("covering") else (Mark.FULL_SCAN,)
    else:
        marks = ()
    if not name:
        name = "primary key"
    terms = index.group("terms")
    return Node(operation, table, alias, name, conditions=(("by", terms),) if terms else (), marks=marks)
