"""The one tree that all databases' plans become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from flasktop.protocol.text import neutral

MOST: Final = 1000
"""Nodes of a tree; further ones are left out."""
DEEPEST: Final = 60
TEXT: Final = 2000


class Mark(Enum):
    """What costs in a plan, as far as the plan itself says so. The value is said beside the node."""

    FULL_SCAN = "reads all rows"
    INDEX_SCAN = "reads the whole index"
    NO_INDEX = "joins without an index"
    OWN_INDEX = "builds an index each time"
    SORT = "sorts the rows"
    TEMPORARY = "holds rows aside"
    EACH_ROW = "runs again for each row"


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a plan.

    ``operation`` is the database's word for it. ``rows`` is its estimate of the rows that the step hands on, each time
    that it runs; ``rows_read`` of those it looks at (None: it does not say). ``cost`` is in the database's own unit,
    steps below included. ``conditions`` are pairs of what a condition does and its text, literals masked. ``small`` is
    True where a mark says little, since there is little to do.
    """

    operation: str
    table: str = ""
    alias: str = ""
    index: str = ""
    rows: float | None = None
    rows_read: float | None = None
    cost: float | None = None
    conditions: tuple[tuple[str, str], ...] = ()
    marks: tuple[Mark, ...] = ()
    small: bool = False
    children: tuple[Node, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[Node, int]]:
        """This node and all below it with their depths, from the top."""
        yield self, depth
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """``roots`` are several where the database says several things at the top. ``problem``: why there is no tree."""

    roots: tuple[Node, ...]
    problem: str = ""

    def nodes(self) -> Iterator[Node]:
        """Every node, from the top."""
        for root in self.roots:
            for node, _ in root.walk():
                yield node

    @property
    def marked(self) -> tuple[Node, ...]:
        """The nodes with marks, from the top."""
        return tuple(node for node in self.nodes() if node.marks)


class Budget:
    """How many nodes there may still be."""

    def __init__(self) -> None:
        self._left = MOST

    def take(self, depth: int) -> bool:
        """Whether there may be one more, so deep."""
        self._left -= 1
        return self._left >= 0 and depth <= DEEPEST


def said(value: Any) -> str:
    """A text or number of a plan, on one line, safe to show; lists with commas."""
    if isinstance(value, (list, tuple)):
        return ", ".join(said(each) for each in value[:50])
    if value is None or isinstance(value, dict):
        return ""
    return neutral(" ".join(str(value)[:TEXT].split()))


def number(value: Any) -> float | None:
    """A number of a plan, None where there is none (MySQL writes some as texts)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if found >= 0 and found < 1e18 else None
