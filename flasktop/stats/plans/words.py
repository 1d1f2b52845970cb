"""What a plan says, in sentences: no more than it truly does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flasktop.stats.plans.model import Mark, Node, Plan

MOST: Final = 4
"""Sentences about what costs; the tree has the rest."""

_WORST_FIRST: Final = (
    Mark.FULL_SCAN,
    Mark.NO_INDEX,
    Mark.OWN_INDEX,
    Mark.EACH_ROW,
    Mark.SORT,
    Mark.TEMPORARY,
    Mark.INDEX_SCAN,
)
_BAD: Final = frozenset({Mark.FULL_SCAN, Mark.NO_INDEX, Mark.OWN_INDEX})


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing a plan says. ``bad``: an index would probably spare it; ``notable``: it costs."""

    text: str
    bad: bool = False
    notable: bool = False


def sentences(plan: Plan) -> tuple[Sentence, ...]:
    """What is worth saying first, the worst first; what every plan has is left to the tree."""
    found = [
        Sentence(text, mark in _BAD, True)
        for mark in _WORST_FIRST
        for node in sorted(plan.nodes(), key=_size, reverse=True)
        if mark in node.marks and not node.small and (text := _about(mark, node))
    ]
    found = list(dict.fromkeys(found))
    more = len(found) - MOST
    if more > 1:
        return (*found[:MOST], Sentence(f"And {more} more, marked below.", notable=True))
    if not found:
        return _harmless(plan)
    # Where no index is missing, the first thing to know is which ones are used.
    return tuple(found) if found[0].bad else (*_through_indexes(plan), *found)


def _size(node: Node) -> float:
    return max(node.rows_read or 0.0, node.rows or 0.0)


def _about(mark: Mark, node: Node) -> str:
    name = table_of(node)
    if mark is Mark.FULL_SCAN:
        return _full_scan(node, name)
    if mark is Mark.INDEX_SCAN:
        return f"Reads the whole of {node.index or 'an index'}{f' of {name}' if name else ''}{_rows(node.rows)}."
    if mark is Mark.OWN_INDEX:
        by = _condition(node, "by")
        return f"Builds an index on {name}{f' ({by})' if by else ''} each time it runs, since there is none to use."
    if mark is Mark.NO_INDEX:
        condition = _condition(node, "filter")
        return f"Compares rows with each other without an index{f': {condition}' if condition else ''}."
    if mark is Mark.EACH_ROW:
        return f"Runs a subquery again for each row{f' ({node.operation})' if node.operation else ''}."
    if mark is Mark.SORT:
        by = _condition(node, "by") or _condition(node, "for")
        return f"Sorts {_these(node.rows)}{f' for {by}' if by == 'ORDER BY' else f' by {by}' if by else ''}."
    why = _condition(node, "for")
    return f"Holds rows aside in a temporary table{f' for {why}' if why else ''}{_rows(node.rows)}."


def _full_scan(node: Node, name: str) -> str:
    said = f"Reads all of {name or 'a table'}{_rows(node.rows_read)}"
    condition = _condition(node, "filter")
    if not condition:
        silent = node.rows is None and node.cost is None and not node.index  # SQLite names no conditions
        return f"{said}: no index is used." if silent else f"{said}."
    if node.rows_read is None and node.rows is not None:
        said += f" and keeps an estimated {_count(node.rows)}"
    return f"{said}: no index is used for {condition}"


def _harmless(plan: Plan) -> tuple[Sentence, ...]:
    nodes = list(plan.nodes())
    says = next((_condition(node, "says") for node in nodes if _condition(node, "says")), "")
    if says:
        return (Sentence(f"The server says: {says}."),)
    small = dict.fromkeys(table_of(node) for node in nodes if node.marks and node.table)
    said = [*_through_indexes(plan)]
    if small:
        said.append(Sentence(f"Reads all of {_few(list(small), '', '')}, which is little."))
    return tuple(said) or (Sentence("Looks nothing up: it reads no table."),)


def _through_indexes(plan: Plan) -> tuple[Sentence, ...]:
    found = dict.fromkeys(
        f"{table_of(node)} by {node.index}" if node.table else node.index
        for node in plan.nodes()
        if node.index and not node.marks
    )
    return (Sentence(f"Finds rows through {_few(list(found), 'an index', 'indexes')}."),) if found else ()


def _few(names: list[str], one: str, many: str) -> str:
    kind = one if len(names) == 1 else many
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{kind}{': ' if kind else ''}{', '.join(names[:3])}{more}"


def table_of(node: Node) -> str:
    """``review`` or ``review r``."""
    return f"{node.table} {node.alias}".strip()


def _condition(node: Node, word: str) -> str:
    return next((text for name, text in node.conditions if name == word), "")


def _rows(rows: float | None) -> str:
    return "" if rows is None else f", an estimated {_count(rows)}"


def _these(rows: float | None) -> str:
    return "the rows" if rows is None else f"an estimated {_count(rows)}"


def _count(rows: float) -> str:
    return f"{rows:,.0f} row{'' if round(rows) == 1 else 's'}"


def as_text(plan: Plan) -> str:
    """The tree as plain text, for copying: a line a step, indented."""
    lines: list[str] = []
    for root in plan.roots:
        for node, depth in root.walk():
            lines.append("  " * depth + step_text(node))
            lines += [f"{'  ' * depth}    {word}: {text}" for word, text in node.conditions]
    return "\n".join(lines)


def step_text(node: Node) -> str:
    """``Seq Scan review (rows 20,000, cost 426.0): reads all rows``."""
    where = " ".join(part for part in (table_of(node), f"using {node.index}" if node.index else "") if part)
    figures = [f"rows {node.rows:,.0f}"] if node.rows is not None else []
    figures += [f"cost {node.cost:,.1f}"] if node.cost is not None else []
    said = f"{node.operation} {where}".strip()
    said += f" ({', '.join(figures)})" if figures else ""
    return said + (f": {', '.join(mark.value for mark in node.marks)}" if node.marks else "")
