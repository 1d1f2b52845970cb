"""Who holds an object: the shortest ways to it from the roots, and what hangs on the first of them alone."""

from __future__ import annotations

import sys
import time
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final

from flasktop.agent.commands.job import CommandError
from flasktop.agent.heap import frames, naming
from flasktop.agent.heap.edges import Edge, Way, between, fold
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.heap import HeapHeld, HeapPaths, PathNode
from flasktop.protocol.records import UNKNOWN

if TYPE_CHECKING:
    from flasktop.agent.heap.weigh import Nodes, Weighing

SEARCH_S: Final = 40.0
"""For so long ways are looked for; what was found until then is told."""
MAX_PATHS: Final = 20
ONE_EACH: Final = 1
FIRST_EDGES: Final = 150
LAST_EDGES: Final = 50
"""References of one way that are told, from both ends."""


class _OutOfTime(Exception):
    """The search was given up."""


def held(weighing: Weighing, asked: HeapPaths, *, values: bool) -> HeapHeld:
    """Ways to the largest object of the set at the end of ``asked.steps``, each through another holder.

    Raises:
        CommandError: there is no such set.
    """
    nodes = weighing.at(asked.steps)
    found = list(islice(weighing.objects(nodes), 1))
    if not found:
        raise CommandError("There is nothing in this set.", "Go back and choose again.", GONE)
    target = found[0][1]
    limit = max(1, min(asked.limit, MAX_PATHS))
    search = _Search(weighing, target, _not_the_apps(target))
    ways, complete = search.ways(1)
    if complete and not ways:
        search = _Search(weighing, target, [])
        ways, complete = search.ways(1)
    through, through_bytes = UNKNOWN, UNKNOWN
    if ways and ways[0].holder:
        through, through_bytes = search.only_through(ways[0], nodes)
    if ways and limit > 1:
        more, complete = search.ways(limit - 1)
        ways += more
    return HeapHeld(
        take=asked.take,
        target=weighing.kind_of(target),
        paths=tuple(_nodes(weighing, way.edges, values) for way in ways),
        holder=ways[0].holder if ways else "",
        through=through,
        through_bytes=through_bytes,
        complete=complete,
    )


def _nodes(weighing: Weighing, edges: tuple[Edge, ...], values: bool) -> tuple[PathNode, ...]:
    """A way as it is told: of a very long one (through a linked list), the middle is left out."""
    if len(edges) <= FIRST_EDGES + LAST_EDGES + 1:
        return tuple(_node(weighing, edge, values) for edge in edges)
    left_out = len(edges) - FIRST_EDGES - LAST_EDGES
    first, last = _nodes(weighing, edges[:FIRST_EDGES], values), _nodes(weighing, edges[-LAST_EDGES:], values)
    gap = _node(weighing, edges[-LAST_EDGES - 1], values)
    return (*first, PathNode(f"… {left_out:,} references …", "other", gap.type, gap.length, gap.bytes), *last)


def _node(weighing: Weighing, edge: Edge, values: bool) -> PathNode:
    length = naming.length_of(edge.leads_to)
    size = weighing.size(weighing.view.immnodeset([edge.leads_to]))
    return PathNode(edge.said(values), edge.kind, weighing.kind_of(edge.leads_to), length, size)


class _Search:
    """Searches breadth first, a level at a time, so that it can be given up between two."""

    def __init__(self, weighing: Weighing, target: object, never: list[object]) -> None:
        self._weighing = weighing
        self._view: Any = weighing.view
        self._target = target
        self._ends = time.monotonic() + SEARCH_S
        self._avoided: Any = self._view.nodegraph()
        self._took = 0.0
        self._never = self._view.immnodeset(never)

    def ways(self, limit: int) -> tuple[list[Way], bool]:
        """Up to ``limit`` ways, the shortest first, each avoiding what the ones before go through; and whether the
        search came to an end."""
        found: list[Way] = []
        try:
            while len(found) < limit:
                began = time.monotonic()
                chain = self._shortest()
                self._took = max(self._took, time.monotonic() - began)
                if chain is None:
                    break
                found.append(fold([between(self._view, one, other) for one, other in pairwise(chain)]))
                at = found[-1].held_at
                self._avoided.add_edge(chain[at], chain[at + 1])
        except _OutOfTime:
            return found, False
        return found, True

    def only_through(self, way: Way, nodes: Nodes) -> tuple[int, int]:
        """How many of ``nodes``, of how many bytes, cannot be reached but through the way's holder; UNKNOWN where there
        is no time left to find out."""
        if time.monotonic() + 2 * self._took > self._ends:
            return UNKNOWN, UNKNOWN
        root, holder = self._view.immnodeset([self._view.root]), self._view.immnodeset([way.holds])
        only = nodes - self._view.hv.reachable(root, holder)
        return len(only), self._weighing.size(only)

    def _shortest(self) -> list[object] | None:
        """The objects on a shortest way from the root to the target."""
        edges: Any = self._view.nodegraph()
        seen: Any = self._view.mutnodeset(self._never)
        level: Any = self._view.immnodeset([self._view.root])
        while level and self._target not in level:
            if time.monotonic() > self._ends:
                raise _OutOfTime
            seen |= level
            level = self._view.hv.shpathstep(edges, level, seen, self._avoided, ONE_EACH)
        if not level:
            return None
        chain = [self._target]
        while chain[-1] is not self._view.root:
            chain.append(edges[chain[-1]][0])
        return chain[::-1]


def _not_the_apps(target: object) -> list[object]:
    """Modules of guppy3 and of this package, which refer to all sorts of things; not the one that has the frames."""
    ours = ("guppy", "flasktop.agent.heap")
    modules = [module for name, module in tuple(sys.modules.items()) if name.startswith(ours)]
    kept = sys.modules[frames.__name__]
    return [module for module in modules if module is not kept and module is not target]
