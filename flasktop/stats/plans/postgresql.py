"""PostgreSQL's ``EXPLAIN (FORMAT JSON)``: a list with one tree of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flasktop.stats.plans.model import Budget, Mark, Node, number, said

SMALL_COST: Final = 100.0
SMALL_ROWS: Final = 1000
"""A scan that costs less (some hundred kilobytes), or of fewer rows, is right without an index."""

_CONDITIONS: Final = (
    ("Index Cond", "by"),
    ("Hash Cond", "where"),
    ("Merge Cond", "where"),
    ("TID Cond", "by"),
    ("Order By", "order"),
    ("Join Filter", "filter"),
    ("Filter", "filter"),
    ("One-Time Filter", "only if"),
    ("Sort Key", "by"),
    ("Presorted Key", "sorted by"),
    ("Group Key", "by"),
    ("Cache Key", "key"),
    ("Function Call", "call"),
)


def parse(plan: Any) -> Sequence[Node]:
    """The nodes at the top: one, but for what rules make several of."""
    budget = Budget()
    tops = [each["Plan"] for each in (plan if isinstance(plan, list) else [plan]) if isinstance(each.get("Plan"), dict)]
    return [node for top in tops if (node := _node(top, {}, budget, 0))]


def _node(plan: dict[str, Any], above: dict[str, Any], budget: Budget, depth: int) -> Node | None:
    if not budget.take(depth):
        return None
    kind = said(plan.get("Node Type"))
    cost = number(plan.get("Total Cost"))
    table, alias = said(plan.get("Relation Name") or plan.get("CTE Name") or plan.get("Function Name")), ""
    if plan.get("Alias") not in (None, plan.get("Relation Name"), plan.get("CTE Name")):
        alias = said(plan["Alias"])
    rows = number(plan.get("Plan Rows"))
    everything = kind == "Seq Scan" and not plan.get("Filter")
    below = plan.get("Plans")
    children = [_node(each, plan, budget, depth + 1) for each in below] if isinstance(below, list) else []
    return Node(
        _operation(kind, plan),
        table,
        alias,
        said(plan.get("Index Name")),
        None if kind == "ModifyTable" and not rows else rows,
        rows if everything else None,
        cost,
        tuple((word, _bare(said(plan[key]))) for key, word in _CONDITIONS if plan.get(key)),
        _marks(kind, plan, above),
        (cost is not None and cost < SMALL_COST) or (everything and rows is not None and rows < SMALL_ROWS),
        tuple(child for child in children if child is not None),
    )


def _operation(kind: str, plan: dict[str, Any]) -> str:
    words = [kind or "unknown step"]
    if kind == "ModifyTable":
        words = [said(plan.get("Operation")) or kind]
    elif kind == "Aggregate":
        words = [{"Hashed": "Hash Aggregate", "Sorted": "Group Aggregate"}.get(said(plan.get("Strategy")), kind)]
    elif plan.get("Join Type") not in (None, "Inner"):
        words.append(said(plan["Join Type"]))
    elif plan.get("Command"):
        words.append(said(plan["Command"]))
    if plan.get("Parallel Aware") is True:
        words.insert(0, "Parallel")
    if plan.get("Subplan Name"):
        words.append(f"({said(plan['Subplan Name'])})")
    return " ".join(words)


def _marks(kind: str, plan: dict[str, Any], above: dict[str, Any]) -> tuple[Mark, ...]:
    marks = []
    hashed = any("hashed SubPlan" in said(above.get(key)) for key, _ in _CONDITIONS)  # run once, then looked up
    if plan.get("Parent Relationship") == "SubPlan" and not hashed:
        marks.append(Mark.EACH_ROW)
    if kind == "Seq Scan":
        marks.append(Mark.FULL_SCAN)
    elif kind in ("Index Scan", "Index Only Scan") and not plan.get("Index Cond") and not plan.get("Order By"):
        marks.append(Mark.INDEX_SCAN)
    elif kind in ("Sort", "Incremental Sort"):
        marks.append(Mark.SORT)
    elif kind == "Nested Loop" and plan.get("Join Filter"):
        marks.append(Mark.NO_INDEX)
    elif kind == "Aggregate" and (number(plan.get("Planned Partitions")) or 0) > 0:
        marks.append(Mark.TEMPORARY)  # it plans to spill to disk
    return tuple(marks)


def _bare(text: str) -> str:
    """Without the parentheses around the whole."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and at < len(text) - 1:
            return text
    return text[1:-1]
