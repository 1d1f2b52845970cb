"""What the edges of a way through the heap are called, and which of them is the one to blame."""

from __future__ import annotations

from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any, Final

from flasktop.agent.heap import frames, naming
from flasktop.agent.heap.naming import attribute_name, isinstance_of

ATTRIBUTE: Final = 1
INDEX_VALUE: Final = 2
INDEX_KEY: Final = 3
INTERNAL: Final = 4
HAS_ATTRIBUTE: Final = 5
LOCAL: Final = 6
CELL: Final = 7
STACK: Final = 8
"""guppy3's relations (``guppy.heapy.Path``), of which one is chosen where two objects have several."""
PREFERRED: Final = (LOCAL, CELL, ATTRIBUTE, INDEX_VALUE, HAS_ATTRIBUTE, INDEX_KEY, INTERNAL, STACK)
MODULES: Final = "_modules"
"""What the edge from the root to ``sys.modules`` ends in."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge as it is shown: ``text`` names it, or where that would be data of the app, ``key`` holds it."""

    text: str
    kind: str
    leads_to: object
    key: tuple[object, ...] = ()

    def said(self, values: bool) -> str:
        """Its name; a key is shown only where the app allows values."""
        if not self.key:
            return self.text
        return naming.cut(f"[{naming.detail(self.key[0])}]") if values else self.text


@dataclass(frozen=True, slots=True)
class Way:
    """A way from a root. ``holder`` names the module global, class attribute or local that it goes through and
    ``holds`` is the object there (empty: none); ``held_at`` is the number of the raw edge that leads to it."""

    edges: tuple[Edge, ...]
    holder: str
    holds: object
    held_at: int


@dataclass(frozen=True, slots=True)
class Raw:
    """One reference, as guppy3 has it."""

    source: object
    code: int
    relator: Any
    target: object


def between(view: Any, source: object, target: object) -> Raw:
    """How ``source`` refers to ``target``."""
    relations = view.hv.relate(source, target)
    for code in PREFERRED:
        if code < len(relations) and relations[code]:
            return Raw(source, code, relations[code][0], target)
    return Raw(source, -1, None, target)


def fold(raws: list[Raw]) -> Way:
    """Name the edges, several references as one where they are one to a programmer: ``module shop``, ``CACHE``,
    ``.items``."""
    folding = _Folding(raws)
    while folding.at < len(raws):
        folding.step()
    if not folding.holder:
        folding.held_at = len(raws) - 1
    return Way(tuple(folding.edges), folding.holder, folding.holds, folding.held_at)


class _Folding:
    """A way while it is being named: ``at`` is the next reference."""

    def __init__(self, raws: list[Raw]) -> None:
        self.raws = raws
        self.at = 0
        self.edges: list[Edge] = []
        self.holder = ""
        self.holds: object = None
        self.held_at = 0

    def step(self) -> None:
        """Name the next reference, or the next two."""
        raw = self.raws[self.at]
        if isinstance_of(raw.source, FrameType):
            self._of_frame(raw)
        elif raw.code == ATTRIBUTE and str(raw.relator).endswith(MODULES) and self.at == 0:
            self._of_modules()
        elif raw.code == ATTRIBUTE and raw.relator == "__dict__" and self._next_names():
            self._of_namespace(raw)
        elif raw.code == INDEX_VALUE and (module := _namespace_of(raw.source)) and attribute_name(raw.relator):
            self._add(Edge(raw.relator, "global", raw.target))  # reached by a function or a call, not by its module
            self._hold(f"{module}.{raw.relator}", raw.target)
        else:
            self._add(Edge(*_plain(raw, root=self.at == 0)))

    def _next_names(self) -> bool:
        """Whether the reference after this one is an entry of a dict under a name."""
        if self.at + 1 >= len(self.raws):
            return False
        following = self.raws[self.at + 1]
        return following.code == INDEX_VALUE and bool(attribute_name(following.relator))

    def _add(self, edge: Edge, references: int = 1) -> None:
        self.edges.append(edge)
        self.at += references

    def _hold(self, holder: str, target: object) -> None:
        """Take note of a holder that the last reference added leads to."""
        self.holder, self.holds, self.held_at = naming.cut(holder), target, self.at - 1

    def _of_modules(self) -> None:
        if self.at + 1 < len(self.raws) and self.raws[self.at + 1].code == INDEX_VALUE:
            module = self.raws[self.at + 1]
            self._add(Edge(f"module {_module_name(module)}", "module", module.target), 2)
        else:
            self._add(Edge("sys.modules", "root", self.raws[self.at].target))

    def _of_namespace(self, raw: Raw) -> None:
        """An attribute that stands in a ``__dict__``: of a module, a class or an instance."""
        entry = self.raws[self.at + 1]
        name = attribute_name(entry.relator)
        if isinstance_of(raw.source, ModuleType):
            self._add(Edge(name, "global", entry.target), 2)
            self._hold(f"{_name_of(raw.source)}.{name}", entry.target)
        elif isinstance_of(raw.source, type):
            source: Any = raw.source
            self._add(Edge(f".{name}", "class", entry.target), 2)
            self._hold(f"{naming.type_name(source)}.{name}", entry.target)
        else:
            self._add(Edge(f".{name}", "attribute", entry.target), 2)

    def _of_frame(self, raw: Raw) -> None:
        frame: Any = raw.source
        function = _function(frame)
        if self.holds is frames.FRAMES:  # how the frame was reached is our doing
            self.edges.clear()
            self.holder, self.holds = "", None
        if raw.code in (LOCAL, CELL):
            name = attribute_name(raw.relator) or "?"
            self._add(Edge(naming.cut(f"local '{name}' of {function}"), "local", raw.target))
            self._hold(f"{function}.<locals>.{name}", raw.target)
        else:
            text, _, target, key = _plain(raw, root=False)
            self._add(Edge(naming.cut(f"running call of {function}: {text}"), "root", target, key))


def _plain(raw: Raw, *, root: bool) -> tuple[str, str, object, tuple[object, ...]]:
    """Text, kind, target and key of a single reference."""
    if root:
        return f"interpreter: {naming.cut(str(raw.relator))}", "root", raw.target, ()
    if raw.code == INDEX_VALUE:
        if type(raw.relator) is int and not isinstance_of(raw.source, dict):
            return f"[{raw.relator}]", "index", raw.target, ()
        return "[...]", "key", raw.target, (raw.relator,)
    if raw.code in (INDEX_KEY, HAS_ATTRIBUTE):
        return "a key of it", "key", raw.target, ()
    if raw.code == CELL or isinstance_of(raw.source, type(_a_cell())):
        return "closure cell", "cell", raw.target, ()
    if raw.code == ATTRIBUTE:
        name = attribute_name(raw.relator)
        return (f".{name}", "attribute", raw.target, ()) if name else (".…", "attribute", raw.target, ())
    if raw.code == INTERNAL and raw.relator == "ob_type":
        return "its class", "class", raw.target, ()
    inside = attribute_name(raw.relator) if raw.code == INTERNAL else ""
    return (f"inside: {inside}" if inside else "inside"), "other", raw.target, ()


def _a_cell() -> Any:
    value = None
    return (lambda: value).__closure__[0]  # type: ignore[index]


def _module_name(entry: Raw) -> str:
    return naming.cut(entry.relator) if type(entry.relator) is str else "?"


def _namespace_of(source: object) -> str:
    """The name of the module whose globals a dict is; empty where it is something else."""
    if type(source) is not dict or "__builtins__" not in source:
        return ""
    name = source.get("__name__")
    return name if type(name) is str else ""


def _name_of(module: Any) -> str:
    name = ModuleType.__getattribute__(module, "__dict__").get("__name__")
    return name if type(name) is str else "?"


def _function(frame: Any) -> str:
    code = frame.f_code
    module = frame.f_globals.get("__name__")
    name = getattr(code, "co_qualname", code.co_name)
    return f"{module}.{name}" if type(module) is str else str(name)
