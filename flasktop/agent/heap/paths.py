"""Who holds a set of objects: the shortest ways from the roots, and what hangs on the first of them alone.

A set is held by many, and its largest object says little of the others: the largest string of a heap is some module's
docstring, whatever leaks. So ways to some of its objects are looked for at once, and of the holders that most of these
lead through, the one is told on which the most of the whole set hangs alone.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
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
SAMPLED: Final = 64
"""So many objects of a set are looked for, spread over all of it: a holder of a twentieth is missed once in 26 sets."""
CANDIDATES: Final = 3
"""Holders, besides that of the largest object, of which it is worked out what hangs on them alone."""
ONE_EACH: Final = 1
FIRST_EDGES: Final = 150
LAST_EDGES: Final = 50
"""References of one way that are told, from both ends."""


def held(weighing: Weighing, asked: HeapPaths, *, values: bool) -> HeapHeld:
    """Ways to an object of the set at the end of ``asked.steps``, each through another holder: the first through the
    one that alone holds the most of the set, as far as a sample tells.

    Raises:
        CommandError: there is no such set.
    """
    nodes = weighing.at(asked.steps)
    sample = _sample(weighing, nodes)
    if not sample:
        raise CommandError("There is nothing in this set.", "Go back and choose again.", GONE)
    limit = max(1, min(asked.limit, MAX_PATHS))
    search = _Search(weighing, _not_the_apps(sample))
    found, complete = search.each(sample)
    if complete and not found:
        search = _Search(weighing, [])
        found, complete = search.each(sample)
    best = _best(search, sample[0], found, nodes)
    if best is None:
        return HeapHeld(asked.take, weighing.kind_of(sample[0]), (), "", UNKNOWN, UNKNOWN, complete)
    ways = [best.way]
    if limit > 1:
        more, complete = search.others(best, limit - 1)
        ways += more
    return HeapHeld(
        take=asked.take,
        target=weighing.kind_of(best.target),
        paths=tuple(_nodes(weighing, way.edges, values) for way in ways),
        holder=best.way.holder,
        through=best.through,
        through_bytes=best.through_bytes,
        complete=complete,
        largest=best.target is sample[0],
    )


def _sample(weighing: Weighing, nodes: Nodes) -> list[object]:
    """The largest object of a set, and others from all over it."""
    largest = [one for _, one in islice(weighing.objects(nodes), 1)]
    others = islice(nodes, 0, None, max(1, len(nodes) // SAMPLED))
    return largest + [one for one in islice(others, SAMPLED) if one is not largest[0]]


@dataclass(slots=True)
class _Held:
    """A way to ``target`` of the sample, ``chain`` its objects; ``votes`` of the sample go through its holder, and
    ``through`` objects of the set can be reached through it alone."""

    target: object
    chain: list[object]
    way: Way
    votes: int = 1
    through: int = UNKNOWN
    through_bytes: int = UNKNOWN


def _best(search: _Search, largest: object, found: list[_Held], nodes: Nodes) -> _Held | None:
    """Of the ways that were found, that to the largest object, unless more of the set hangs on another holder alone."""
    holders: dict[int, _Held] = {}
    for each in found:
        if each.way.holder:
            first = holders.setdefault(id(each.way.holds), each)
            first.votes += first is not each
    ranked = sorted(holders.values(), key=lambda each: -each.votes)
    tried = ranked[:CANDIDATES] + [each for each in ranked[CANDIDATES:] if each.target is largest]
    for each in tried:
        each.through, each.through_bytes = search.only_through(each.way, nodes)
    best = max(tried, key=lambda each: (each.through_bytes, each.target is largest), default=None)
    if best is not None and best.through > 0:
        return best
    return next((each for each in found if each.target is largest), best or next(iter(found), None))


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

    def __init__(self, weighing: Weighing, never: list[object]) -> None:
        self._weighing = weighing
        self._view: Any = weighing.view
        self._ends = time.monotonic() + SEARCH_S
        self._avoided: Any = self._view.nodegraph()
        self._took = 0.0
        self._never = self._view.immnodeset(never)

    def each(self, targets: list[object]) -> tuple[list[_Held], bool]:
        """A shortest way to each of ``targets`` that one leads to, and whether the search came to an end."""
        chains, complete = self._shortest(targets)
        return [self._held(target, chain) for target, chain in zip(targets, chains, strict=True) if chain], complete

    def others(self, first: _Held, limit: int) -> tuple[list[Way], bool]:
        """Up to ``limit`` more ways to the target of ``first``, the shortest first, each avoiding what the ones before
        go through; and whether the search came to an end."""
        found, complete = [first], True
        while complete and len(found) <= limit:
            at, chain = found[-1].way.held_at, found[-1].chain
            self._avoided.add_edge(chain[at], chain[at + 1])
            (chain,), complete = self._shortest([first.target])
            if not chain:
                break
            found.append(self._held(first.target, chain))
        return [each.way for each in found[1:]], complete

    def only_through(self, way: Way, nodes: Nodes) -> tuple[int, int]:
        """How many of ``nodes``, of how many bytes, cannot be reached but through the way's holder; UNKNOWN where there
        is no time left to find out."""
        if time.monotonic() + 2 * self._took > self._ends:
            return UNKNOWN, UNKNOWN
        began = time.monotonic()
        root, holder = self._view.immnodeset([self._view.root]), self._view.immnodeset([way.holds])
        only = nodes - self._view.hv.reachable(root, holder)
        self._took = max(self._took, time.monotonic() - began)
        return len(only), self._weighing.size(only)

    def _held(self, target: object, chain: list[object]) -> _Held:
        return _Held(target, chain, fold([between(self._view, one, other) for one, other in pairwise(chain)]))

    def _shortest(self, targets: list[object]) -> tuple[list[list[object]], bool]:
        """The objects on a shortest way from the root to each target, empty where none was found, and whether all of
        the heap was looked at that had to be."""
        began = time.monotonic()
        edges: Any = self._view.nodegraph()
        seen: Any = self._view.mutnodeset(self._never)
        level: Any = self._view.immnodeset([self._view.root])
        missing: Any = self._view.mutnodeset(targets)
        missing -= level
        while level and missing and time.monotonic() <= self._ends:
            seen |= level
            level = self._view.hv.shpathstep(edges, level, seen, self._avoided, ONE_EACH)
            missing -= level
        self._took = max(self._took, time.monotonic() - began)
        complete = not (level and missing)
        return [[] if target in missing else self._chain(edges, target) for target in targets], complete

    def _chain(self, edges: Any, target: object) -> list[object]:
        chain = [target]
        while chain[-1] is not self._view.root:
            chain.append(edges[chain[-1]][0])
        return chain[::-1]


def _not_the_apps(targets: list[object]) -> list[object]:
    """Modules of guppy3 and of this package, which refer to all sorts of things; not the one that has the frames."""
    ours = ("guppy", "flasktop.agent.heap")
    modules = [module for name, module in tuple(sys.modules.items()) if name.startswith(ours)]
    kept = sys.modules[frames.__name__]
    return [module for module in modules if module is not kept and not any(module is one for one in targets)]
