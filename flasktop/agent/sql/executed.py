"""What ran, as the database got it: statements with the newest parameters, bounded in bytes. For EXPLAIN alone.

Filled by the agent's thread from what the hooks left in ``Engine.seen``; read by a command's thread. None of it ever
leaves the process, and nothing is kept where ``explain`` is not granted.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from typing import Any, Final

import msgspec

from flasktop.agent.engine import Engine
from flasktop.agent.sql import engines
from flasktop.agent.trace import sink

SEEN: Final = 256
"""Texts that an engine holds parameters of between two looks of the agent's thread (0.2 s)."""
HELD_BYTES: Final = 2 * 1024 * 1024
"""All that is held of parameters and of statements that differ from their text; beyond, the oldest go."""
SET_BYTES: Final = 32 * 1024
"""One parameter set; greater ones are not kept."""
SET_VALUES: Final = 2000
TEXT_BYTES: Final = 4 * 1024 * 1024
"""All texts that statements' ids stand for; beyond, the oldest go."""
TEXT_ONE: Final = 64 * 1024
ENTRY: Final = 300
"""Bytes of an entry beside what it holds."""

_PLAIN: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_VALUES: Final = frozenset(
    {
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("uuid", "UUID"),
    }
)


class Executed(msgspec.Struct, frozen=True):
    """A statement as the cursor got it. ``parameters`` is None where the cursor got none; ``unkept`` says in words why
    parameters there were are not here; ``at`` is when they were seen (Unix seconds; 0: there are none to be seen)."""

    statement: str
    parameters: Any = None
    unkept: str = ""
    at: float = 0.0

    @property
    def size(self) -> int:
        return ENTRY + len(self.statement)


class ExecutedTable:
    """The newest parameters of each text of each engine, and the texts that the ids of statements stand for."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[Engine, str], tuple[Executed, int]] = OrderedDict()
        self._texts: dict[int, tuple[str, str]] = {}
        self._entry_bytes = self._text_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes held, estimated."""
        return self._entry_bytes + self._text_bytes

    # -- in the agent's thread --

    def name(self, number: int, engine: Engine, text: str) -> None:
        """Statement ``number`` is ``text``, run by an engine called like ``engine``; the newest text counts."""
        self._forget(number)
        if len(text) > TEXT_ONE:
            return
        self._texts[number] = (engine.name, text)
        self._text_bytes += len(text)
        while self._text_bytes > TEXT_BYTES:
            self._forget(next(iter(self._texts)))

    def _forget(self, number: int) -> None:
        known = self._texts.pop(number, None)
        if known is not None:
            self._text_bytes -= len(known[1])

    def take(self) -> None:
        """Take what the hooks have left since the last time."""
        now = time.time()
        for engine in engines.live():
            if engine.seen:
                seen, engine.seen = engine.seen, {}
                if not sink.seen_cap:
                    continue  # left from before, or from the process that forked this one
                # A hook that was interrupted may add to what has been taken: its list is made at once.
                for text, (statement, parameters) in list(seen.items()):
                    if parameters or statement != text:
                        self._keep(engine, text, statement, parameters, now)

    def _keep(self, engine: Engine, text: str, statement: str, parameters: Any, now: float) -> None:
        kept, size, unkept = plain(parameters)
        size += ENTRY + (0 if statement is text else len(statement))
        key = (engine, text)
        old = self._entries.pop(key, None)
        if old is not None:
            self._entry_bytes -= old[1]
        self._entries[key] = (Executed(statement, kept, unkept, now), size)
        self._entry_bytes += size
        while self._entry_bytes > HELD_BYTES:
            self._entry_bytes -= self._entries.popitem(last=False)[1][1]

    # -- in a command's thread --

    def find(self, number: int) -> tuple[Engine, Executed] | None:
        """Statement ``number`` as it ran last, and its engine; None where neither is known (any more)."""
        known = self._texts.get(number)
        if known is None:
            return None
        name, text = known
        found: tuple[Engine, Executed] | None = None
        for engine in engines.live():
            if engine.name == name and engine.sql() is not None:
                entry = self._entries.get((engine, text))
                executed = entry[0] if entry is not None else Executed(text, ())
                if found is None or executed.at >= found[1].at:
                    found = (engine, executed)
        return found


def plain(parameters: Any) -> tuple[Any, int, str]:
    """A copy of a parameter set, its bytes, and why there is none (empty where there is).

    Only values are kept: what is an object of the app's or of a driver's could be large, change, or hold others alive.
    """
    try:
        if parameters is None:
            return None, 0, ""
        copy, size = _copy(parameters, SET_BYTES, 3)
    except _UnkeptError as error:
        return None, 0, str(error)
    return copy, size, ""


class _UnkeptError(Exception):
    """Says why a value is not kept."""


def _copy(value: Any, room: int, depth: int) -> tuple[Any, int]:
    kind = type(value)
    if kind in _PLAIN or (kind.__module__, kind.__name__) in _VALUES:
        return value, _fits(sys.getsizeof(value), room)
    # By type alone: a proxy answers for ``__class__`` and for attributes, with the app's code.
    if issubclass(kind, str):  # Markup, a StrEnum: what the driver sees of it
        return str.__str__(value), _fits(sys.getsizeof(value), room)
    if kind is memoryview or kind is bytearray:
        return bytes(value[:room]), _fits(len(value), room)
    if depth and issubclass(kind, dict):
        return _copy_items(dict.items(value), dict.__len__(value), room, depth)
    if depth and issubclass(kind, (list, tuple)):
        values = list.copy(value) if issubclass(kind, list) else [*tuple.__iter__(value)]
        items, size = _copy_items(enumerate(values), len(values), room, depth)
        return [*items.values()] if issubclass(kind, list) else (*items.values(),), size
    raise _UnkeptError(f"one of them is a {kind.__name__}, which is not kept")


def _copy_items(items: Any, count: int, room: int, depth: int) -> tuple[dict[Any, Any], int]:
    if count > SET_VALUES:
        raise _UnkeptError(f"there were {count:,} of them, more than are kept")
    made: dict[Any, Any] = {}
    size = 64
    for key, value in items:
        made[key], more = _copy(value, room - size, depth - 1)
        size += more + 16
    return made, _fits(size, room)


def _fits(size: int, room: int) -> int:
    if size > room:
        raise _UnkeptError("they were too large to be kept")
    return size
