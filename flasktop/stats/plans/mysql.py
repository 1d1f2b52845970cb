"""MariaDB's and MySQL's ``EXPLAIN FORMAT=JSON``: blocks within blocks, which differ from version to version.

Blocks that are only brackets (``query_block``, ``nested_loop``) are looked through; what nobody knows is shown under
its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flasktop.stats.plans.model import Budget, Mark, Node, number, said

SMALL_ROWS: Final = 1000
"""Reading fewer rows than this is right without an index."""

_BRACKETS: Final = frozenset(
    {"query_block", "nested_loop", "read_sorted_file", "query_specifications", "expression_cache", "query_plan"}
)
_NAMES: Final = {
    "block-nl-join": "block nested loop",
    "duplicates_removal": "remove duplicates",
    "ordering_operation": "order",
    "grouping_operation": "group",
    "union_result": "union",
    "temporary_table": "temporary table",
    "windowing": "window functions",
    "materialized_from_subquery": "materialized subquery",
    "materialized": "materialized subquery",
    "select_list_subqueries": "subquery",
    "attached_subqueries": "subquery",
    "having_subqueries": "subquery",
    "order_by_subqueries": "subquery",
    "group_by_subqueries": "subquery",
    "optimized_away_subqueries": "subquery, known already",
    "subqueries": "subquery",
}
_OPERATIONS: Final = {
    "ALL": "scan",
    "index": "index scan",
    "range": "range",
    "ref": "look up",
    "ref_or_null": "look up",
    "eq_ref": "look up one",
    "const": "one row",
    "system": "one row",
    "index_merge": "merge indexes",
    "fulltext": "full text",
    "hash_ALL": "scan, hashed",
}
_CONDITIONS: Final = (
    ("index_condition", "by"),
    ("pushed_index_condition", "by"),
    ("attached_condition", "filter"),
    ("having_condition", "having"),
    ("sort_key", "by"),
    ("condition", "filter"),
    ("message", "says"),
)


def parse(plan: Any) -> Sequence[Node]:
    """The nodes at the top."""
    return _below(plan, Budget(), 0)


def _below(block: Any, budget: Budget, depth: int) -> list[Node]:
    """The nodes of a block or of a list of them."""
    if isinstance(block, list):
        return [node for each in block for node in _below(each, budget, depth)]
    if not isinstance(block, dict):
        return []
    if isinstance(block.get("operation"), str) and ("inputs" in block or "access_type" in block):
        return _iterator(block, budget, depth)
    nodes: list[Node] = []
    for key, value in block.items():
        if isinstance(value, (dict, list)):
            nodes += _named(str(key), value, budget, depth)
    return nodes


def _named(key: str, value: Any, budget: Budget, depth: int) -> list[Node]:
    """The nodes of what stands under ``key``."""
    if key in _BRACKETS:
        return _below(value, budget, depth)
    if key == "table" and isinstance(value, dict):
        return [_table(value, budget, depth)] if budget.take(depth) else []
    if not budget.take(depth):
        return []
    below = tuple(_below(value, budget, depth + 1))
    block = value if isinstance(value, dict) else {}
    marks = _block_marks(key, block)
    if not below and not marks:
        return []  # figures, lists of columns
    if key in ("ordering_operation", "grouping_operation") and not marks:
        return list(below)
    rows = number(block.get("rows"))
    return [Node(_NAMES.get(key, said(key)), rows=rows, conditions=_conditions(block), marks=marks, children=below)]


def _block_marks(key: str, block: dict[str, Any]) -> tuple[Mark, ...]:
    marks = []
    if key == "filesort" or block.get("using_filesort") is True:
        marks.append(Mark.SORT)
    if key == "temporary_table" or block.get("using_temporary_table") is True:
        marks.append(Mark.TEMPORARY)
    if key == "block-nl-join" and "HASH" not in said(block.get("join_type")).upper().replace("BNLH", "HASH"):
        marks.append(Mark.NO_INDEX)
    if block.get("dependent") is True:
        marks.append(Mark.EACH_ROW)
    return tuple(marks)


def _table(block: dict[str, Any], budget: Budget, depth: int) -> Node:
    kind = said(block.get("access_type"))
    examined = number(block.get("rows", block.get("rows_examined_per_scan")))
    handed = number(block.get("rows_produced_per_join"))
    share = number(block.get("filtered"))
    if handed is None and examined is not None:
        handed = examined if share is None else examined * share / 100
    changes = next((word for word in ("insert", "update", "delete", "replace") if block.get(word)), "")
    operation = _OPERATIONS.get(kind, kind) or ("no table" if block.get("message") else "write")
    costs: Any = block.get("cost_info")
    derived = said(block.get("table_name")).startswith("<")
    return Node(
        f"{changes}: {operation}" if changes else operation,
        said(block.get("table_name")),
        "",
        said(block.get("key")) or _merged(block.get("index_merge")),
        handed,
        examined,
        number(costs.get("prefix_cost")) if isinstance(costs, dict) else number(block.get("cost")),
        _conditions(block),
        _table_marks(kind, block, derived),
        examined is not None and examined < SMALL_ROWS,
        tuple(_below(block, budget, depth + 1)),
    )


def _merged(block: Any) -> str:
    """The indexes of an index merge, wherever they stand in it."""
    if isinstance(block, dict):
        own = [said(block["key"])] if isinstance(block.get("key"), str) else []
        return ", ".join([*own, *(found for each in block.values() if (found := _merged(each)))])
    return ", ".join(found for each in block if (found := _merged(each))) if isinstance(block, list) else ""


def _table_marks(kind: str, block: dict[str, Any], derived: bool) -> tuple[Mark, ...]:
    marks = []
    if kind in ("ALL", "hash_ALL") and not derived:
        marks.append(Mark.FULL_SCAN)
    elif kind == "index":
        marks.append(Mark.INDEX_SCAN if block.get("using_index") is True else Mark.FULL_SCAN)
    if kind == "hash_ALL" or "Block Nested Loop" in said(block.get("using_join_buffer")):
        marks.append(Mark.NO_INDEX)
    return tuple(marks)


def _conditions(block: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((word, said(block[key])) for key, word in _CONDITIONS if isinstance(block.get(key), str))


def _iterator(block: dict[str, Any], budget: Budget, depth: int) -> list[Node]:
    """A node of MySQL's newer format (``explain_json_format_version`` 2): steps with their ``inputs``."""
    if not budget.take(depth):
        return []
    kind, how = said(block.get("access_type")), said(block.get("index_access_type"))
    marks = {
        "table": (Mark.FULL_SCAN,),
        "sort": (Mark.SORT,),
        "temp_table": (Mark.TEMPORARY,),
        "index": (Mark.INDEX_SCAN,) if how == "index_scan" else (),
    }.get(kind, ())
    rows = number(block.get("estimated_rows"))
    return [
        Node(
            said(block["operation"]),
            rows=rows,
            rows_read=rows if kind == "table" else None,
            cost=number(block.get("estimated_total_cost")),
            conditions=_conditions(block),
            marks=marks,
            small=rows is not None and rows < SMALL_ROWS,
            children=tuple(_below(block.get("inputs"), budget, depth + 1)),
        )
    ]
