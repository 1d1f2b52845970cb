"""What guppy3 says of the heap: sets of objects, divided. Runs in the frozen copy (or, where asked for, in the app).

Everything that guppy3 loads lazily is imported here, so that the parent has it before it forks: an import lock that
another thread holds at the fork would stay held in the child for ever.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from types import CodeType
from typing import Any, Final

import guppy
import guppy.etc.Descriptor
from guppy.heapy import (
    Classifiers,
    Doc,
    ImpSet,
    OutputHandling,
    Part,
    Path,
    RefPat,
    Target,
    UniSet,
    Use,
    View,
)

from flasktop.agent.commands.job import CommandError
from flasktop.agent.heap import naming
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.heap import By, HeapRow, Step

LOADED: Final = (Classifiers, Doc, ImpSet, OutputHandling, Part, Path, RefPat, Target, UniSet, Use, View)
REFERRERS_NAMED: Final = 4
"""Kinds of referrers named in a row; of the rest only how many."""
DIVISIONS_KEPT: Final = 12
"""Divisions kept for walking on; an older one is made again, with the same rows."""

FOLDERS: Final = (os.path.dirname(guppy.__file__), os.path.dirname(__file__))
"""Where the code that weighs is."""

Nodes = Any
"""A set of objects: guppy3's NodeSet, which it hides from its own walks."""


class Row:
    """One row of a division. (No dataclass: the code that one generates could not be told from the app's.)"""

    __slots__ = ("bytes", "count", "name", "nodes")

    def __init__(self, name: str, count: int, size: int, nodes: Nodes) -> None:
        self.name = name
        self.count = count
        self.bytes = size
        self.nodes = nodes


class Weighing:
    """The heap of this process as it is now, seen from the roots; frames of its own calls are left out.

    Never collects garbage: that would run destructors, and what is garbage is not seen from the roots anyway.
    """

    def __init__(self) -> None:
        self.guppy = guppy.hpy()
        self.view: Any = self.guppy.View
        self.hv: Any = self.view.hv
        self.hv.limitframe = _bottom(sys._getframe())
        self.kinds: Any = self.guppy.Clodo.classifier
        self._divisions: OrderedDict[tuple[tuple[tuple[str, int], ...], str], list[Row]] = OrderedDict()
        self.whole: Nodes = self.hv.heap()
        self.whole -= self._own(self.whole)
        self._dividers: dict[By, Callable[[Nodes], list[Row]]] = {
            "type": self._by_type,
            "module": self._by_module,
            "referrers": self._by_referrers,
            "owner": self._by_owner,
            "size": self._by_size,
        }

    def size(self, nodes: Nodes) -> int:
        """The bytes of all objects in ``nodes``, each by itself."""
        total: int = self.hv.indisize_sum(nodes)
        return total

    def forget(self) -> None:
        """After a walk that was broken off: what guppy3 has half noted down must not be taken for the whole."""
        self.view.rg.clear()
        self.view.norefer.clear()
        self.view.dict_ownership.clear()

    # -- walking --

    def at(self, steps: Sequence[Step]) -> Nodes:
        """The set at the end of ``steps``.

        Raises:
            CommandError: a step leads nowhere.
        """
        if not steps:
            return self.whole
        last = steps[-1]
        if last.index < 0:
            pass
        elif last.by == "object":
            found = list(islice(self.objects(self.at(steps[:-1])), last.index, last.index + 1))
            if found:
                return self.view.mutnodeset([found[0][1]])
        else:
            rows = self.divide(steps[:-1], last.by)
            if last.index < len(rows):
                return rows[last.index].nodes
        raise CommandError("There is no such row in this heap.", "Go back and choose again.", GONE)

    def divide(self, steps: Sequence[Step], by: By) -> list[Row]:
        """The rows of the set at the end of ``steps``, the largest first; always the same rows in the same places."""
        key = (tuple((step.by, step.index) for step in steps), by)
        rows = self._divisions.get(key)
        if rows is None:
            rows = self._dividers[by](self.at(steps))
            rows.sort(key=lambda row: (-row.bytes, -row.count, row.name, _first(row.nodes)))
            self._divisions[key] = rows
            while len(self._divisions) > DIVISIONS_KEPT:
                self._divisions.popitem(last=False)
        self._divisions.move_to_end(key)
        return rows

    def objects(self, nodes: Nodes) -> Iterable[tuple[int, object]]:
        """Each object with its size, the largest first, those of one size by address."""
        sizes = self.guppy.Size.classifier.partition_cli(nodes)
        for size, same in sorted(sizes, key=lambda part: -part[0]):
            for one in sorted(same, key=id):
                yield size, one

    def rows(self, steps: Sequence[Step], by: By, limit: int, values: bool) -> tuple[int, list[HeapRow]]:
        """How many rows a division has, and the first ``limit`` of them; ``values``: represent single objects."""
        if by != "object":
            rows = self.divide(steps, by)
            first = rows[:limit]
            return len(rows), [HeapRow(at, row.name, row.count, row.bytes) for at, row in enumerate(first)]
        nodes = self.at(steps)
        some = enumerate(islice(self.objects(nodes), limit))
        return len(nodes), [
            HeapRow(at, self.name(one), 1, size, naming.detail(one) if values else "") for at, (size, one) in some
        ]

    def name(self, one: object) -> str:
        """What a single object is called: its kind, and how long it is."""
        length = naming.length_of(one)
        return self.kind_of(one) if length < 0 else f"{self.kind_of(one)}, length {length:,}"

    def kind_of(self, one: object) -> str:
        """What kind of object it is, as rows by type are called."""
        return self.kind_name(self._kind(one))

    # -- dividing --

    def _by_type(self, nodes: Nodes) -> list[Row]:
        return [self._row(self.kind_name(kind), part) for kind, part in self._parts(nodes)]

    def _by_module(self, nodes: Nodes) -> list[Row]:
        return self._merged((naming.type_module(self._class(kind)), part) for kind, part in self._parts(nodes))

    def _by_owner(self, nodes: Nodes) -> list[Row]:
        groups: dict[int, tuple[str, list[Nodes]]] = {}
        for kind, part in self._parts(nodes):
            owner = self._class(kind)
            groups.setdefault(id(owner), (self._class_name(owner), []))[1].append(part)
        return [self._row(name, self._union(parts)) for name, parts in groups.values()]

    def _by_referrers(self, nodes: Nodes) -> list[Row]:
        return [
            self._row(self._referrers(kinds), part) for kinds, part in self.guppy.Rcs.classifier.partition_cli(nodes)
        ]

    def _by_size(self, nodes: Nodes) -> list[Row]:
        parts = self.guppy.Size.classifier.partition_cli(nodes)
        return [self._row(f"{size:,} bytes", part) for size, part in parts]

    def _parts(self, nodes: Nodes) -> list[tuple[Any, Nodes]]:
        parts: list[tuple[Any, Nodes]] = self.kinds.partition_cli(nodes)
        return parts

    def _merged(self, named: Iterable[tuple[str, Nodes]]) -> list[Row]:
        groups: dict[str, list[Nodes]] = {}
        for name, part in named:
            groups.setdefault(name, []).append(part)
        return [self._row(name, self._union(parts)) for name, parts in groups.items()]

    def _union(self, parts: list[Nodes]) -> Nodes:
        if len(parts) == 1:
            return parts[0]
        union = self.view.mutnodeset()
        for part in parts:
            union |= part
        return union

    def _row(self, name: str, part: Iterable[object]) -> Row:
        nodes = self.view.mutnodeset(part)  # a bit an object; guppy3 hands out tuples
        return Row(name, len(nodes), self.size(nodes), nodes)

    def _own(self, nodes: Nodes) -> Nodes:
        """The code and the classes that weigh: they grow while they do (on Python 3.10, code has caches)."""
        own = self.view.mutnodeset()
        for kind, part in self.guppy.Type.classifier.partition_cli(nodes):
            if kind is CodeType:
                own |= [code for code in part if code.co_filename.startswith(FOLDERS)]
            elif kind is type:
                own |= [one for one in part if naming.type_module(one).partition(".")[0] == "guppy"]
        return own

    # -- kinds: what guppy3 divides types into, a class or the dicts of a class --

    def _kind(self, one: object) -> Any:
        ((kind, _),) = self._parts(self.view.immnodeset([one]))
        return kind

    def _owner(self, kind: Any) -> Any:
        """The class whose instances' dicts a kind is; None for a dict of nobody's and for anything else."""
        owner = kind[1]
        return owner if isinstance(owner, type) else None

    def _class(self, kind: Any) -> type:
        found: type = self._owner(kind) or kind[0]
        return found

    def kind_name(self, kind: Any) -> str:
        """``shop.views.Quote``, ``dict of shop.views.Quote``, ``types.CodeType``, ``str``."""
        owner = self._owner(kind)
        if owner is not None:
            return naming.cut(f"dict of {self._class_name(owner)}")
        if kind[0] is dict:
            return "dict (no owner)"
        return self._class_name(kind[0])

    def _class_name(self, kind: type) -> str:
        """As guppy3 has it for Python's own types, which have better names than their own."""
        if naming.type_module(kind) != "builtins":
            return naming.type_name(kind)
        return str(self.kinds.a.get_kind(kind).brief)

    def _referrers(self, kinds: Any) -> str:
        names = sorted(map(self.kind_name, kinds))
        if not names:
            return "nothing but a root"
        more = len(names) - REFERRERS_NAMED
        return naming.cut(", ".join(names[:REFERRERS_NAMED]) + (f" and {more} more kinds" if more > 0 else ""), 400)


def no_collecting() -> None:
    """In the child: guppy3 collects garbage on its way, which would run the destructors of the app's objects."""
    gc.disable()
    gc.collect = lambda generation=2: 0


def _bottom(frame: Any) -> Any:
    while frame.f_back is not None:
        frame = frame.f_back
    return frame


def _first(nodes: Nodes) -> int:
    return min((id(one) for one in islice(nodes, 1)), default=0)
