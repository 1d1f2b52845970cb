"""What leaves the process of a plan: its structure and its conditions, with every literal masked."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from flasktop.agent.sql.masking import mask

LIMIT: Final = 2000
"""Characters of one text in a plan."""
DEEPEST: Final = 150
"""Levels of a plan; deeper ones are left out."""

_STRUCTURE: Final = frozenset(
    {
        # PostgreSQL: the server's own words, and names of tables, indexes and functions
        "Node Type", "Strategy", "Parent Relationship", "Join Type", "Relation Name", "Schema", "Alias", "Index Name",
        "CTE Name", "Subplan Name", "Operation", "Function Name", "Scan Direction", "Command", "Partial Mode",
        "Custom Plan Provider", "Provider", "Sort Method", "Conflict Resolution", "Conflict Arbiter Indexes",
        "Tuplestore Name", "Table Function Name", "Constraint Name", "Trigger Name",
        # MariaDB and MySQL
        "table_name", "access_type", "possible_keys", "key", "key_length", "used_key_parts", "used_columns", "ref",
        "join_type", "buffer_type", "buffer_size", "query_cost", "read_cost", "eval_cost", "prefix_cost", "sort_cost",
        "data_read_per_join", "filtered", "cost", "strategy", "operation_type", "mrr_type", "key_parts", "schema_name",
        "index_name", "index_access_type", "table_alias", "json_schema_version", "join_algorithm", "lookup_references",
    }
)  # fmt: skip
"""Keys whose texts are names and numbers of the database's: masking would only blur them."""

_QUOTED: Final = re.compile(r"(['\"]).*\1|['\"].*|\b\d[\w.]*")
"""From the first quote to the last of its kind: databases quote values without a care for the quotes in them."""


def masked_plan(plan: Any, dialect: str) -> str:
    """A plan from JSON, as JSON again, without literals."""
    if isinstance(plan, (str, bytes, bytearray)):
        plan = json.loads(plan)
    # SQLite's rows hold names, counts and question marks only.
    return json.dumps(_masked(plan, dialect, dialect == "sqlite", DEEPEST), ensure_ascii=False, separators=(",", ":"))


def _masked(value: Any, dialect: str, structure: bool, depth: int) -> Any:
    if isinstance(value, str):
        return value[:LIMIT] if structure else mask(value, dialect, LIMIT)
    if depth <= 0:
        return None
    if isinstance(value, dict):
        return {
            str(key)[:100]: _masked(each, dialect, str(key) in _STRUCTURE and not isinstance(each, dict), depth - 1)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(each, dialect, structure, depth - 1) for each in value]
    return value


def masked_words(text: str, limit: int = 300) -> str:
    """An error message's first line without anything that stands in quotes, and without numbers."""
    first = text.strip().partition("\n")[0]
    return _QUOTED.sub("?", first)[:limit]
