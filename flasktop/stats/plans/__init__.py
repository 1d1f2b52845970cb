"""Plans of statements, whichever database made them, as one kind of tree."""

from __future__ import annotations

import json

from flasktop.stats.plans import mysql, postgresql, sqlite
from flasktop.stats.plans.model import MOST, Mark, Node, Plan

__all__ = ["MOST", "Mark", "Node", "Plan", "parse"]

_PARSERS = {"sqlite": sqlite.parse, "postgresql": postgresql.parse, "mysql": mysql.parse, "mariadb": mysql.parse}


def parse(dialect: str, text: str) -> Plan:
    """The tree of a plan as a worker sent it (JSON). Never raises: what cannot be understood is said to be so."""
    parser = _PARSERS.get(dialect)
    if parser is None:
        return Plan((), f"flasktop does not know the plans of {dialect}.")
    try:
        roots = parser(json.loads(text))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return Plan((), "flasktop does not understand this plan; y copies it as the database gave it.")
    return Plan(tuple(roots))
