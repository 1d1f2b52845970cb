"""The stacks of requests that run: found and walked without running any of the app's code, and named later.

A stack is taken in two steps. ``look`` notes code objects and instructions only, which takes some 20 us a request and
holds no frame; ``describe`` turns each of them into file, line and function, at leisure.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Final, Literal, Protocol

from flasktop.agent import collector
from flasktop.agent.sql import callsite
from flasktop.agent.trace import RequestTrace

MAX_DEPTH: Final = 2_000
"""Frames walked in one stack, from the innermost outwards."""

MAX_PLACES: Final = 20_000
"""Described frames that are kept."""

TRIES: Final = 3
"""A greenlet that starts or stops just while it is looked at is looked at again, so often at most."""

_PAUSE_GC: Final = sys.version_info < (3, 12)
"""Up to 3.11 the collector may run wherever an object is made. ``sys._current_frames`` makes some while it holds the
interpreter's lock on its threads, and may then hang (cpython#106883). On 3.11 ``f_back`` makes one, too: if a callback
or a destructor lets another thread run just then, and the thread that is looked at ends, the process crashes."""

_OURS: Final = callsite.OWN_FOLDER

Spot = tuple[CodeType, int]
"""One frame: its code and the instruction (``f_lasti``) that it was at."""

Stack = tuple[Spot, ...]
"""Innermost frame first."""

Kind = Literal["own", "library", "flasktop"]
"""Whose code a frame is: the app's own, a library's (the standard library and the server among them), or ours."""


@dataclass(frozen=True, slots=True)
class Place:
    """A frame in words: ``file`` is absolute, or a name in angle brackets; ``line`` 0 where unknown."""

    file: str
    line: int
    function: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it was seen. ``stack`` is None where it could not be found; ``running`` is, for a greenlet, whether
    it was the one that ran, and None for a thread (many run at once, as far as Python knows)."""

    trace: RequestTrace
    stack: Stack | None
    running: bool | None


class Worker(Protocol):
    """What is needed of the agent."""

    hub_thread: int
    roots: list[str]


def look(worker: Worker, traces: Iterable[RequestTrace]) -> list[Seen]:
    """Take the stack of each request, in the order given, all at nearly the same moment. From any native thread."""
    for root in worker.roots:
        callsite.add_root(root)
    wanted = list(traces)
    with still():
        return _look(worker, wanted)


def _look(worker: Worker, wanted: list[RequestTrace]) -> list[Seen]:
    newest = _newest_of_threads(wanted)
    frames = sys._current_frames()
    seen = []
    for trace in wanted:
        if trace.end_ns:
            seen.append(Seen(trace, None, None))
        elif trace.greenlet is not None:
            seen.append(_greenlet(trace, worker.hub_thread))
        else:
            # A body that nobody closes leaves a request open whose thread has long gone on to the next one.
            frame = frames.get(trace.thread) if newest.get(trace.thread) is trace else None
            seen.append(Seen(trace, None if frame is None else walk(frame), None))
    return seen


def still() -> AbstractContextManager[None]:
    """Within it, frames of other threads may be asked for and walked: see ``_PAUSE_GC``."""
    return collector.paused() if _PAUSE_GC else nullcontext()


def walk(frame: FrameType | None) -> Stack:
    """The stack from ``frame`` outwards; only while ``still``. Frames are not kept: they would keep the app's objects
    alive."""
    stack = []
    own = callsite.is_own
    for _ in range(MAX_DEPTH):
        if frame is None:
            break
        own(frame)  # judges the file, and keeps a template's line table, while there is a frame to ask
        stack.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(stack)


def describe(spot: Spot) -> Place:
    """Where a frame was."""
    code, instruction = spot
    key = (id(code), instruction)
    known = _places.get(key)
    if known is not None and known[0] is code:
        return known[1]
    file, line, function = callsite.locate(code, instruction)
    place = Place(file, line, function, kind_of(code))
    if len(_places) >= MAX_PLACES:
        _places.clear()
    _places[key] = (code, place)
    return place


def kind_of(code: CodeType) -> Kind:
    """Whose code it is."""
    file = code.co_filename
    if callsite.is_own_file(file):
        return "own"
    return "flasktop" if file.startswith(_OURS) else "library"


def inside_app(stack: Stack) -> Stack:
    """The part of a stack that the app is answerable for: without the server's frames, up to the outermost of ours
    that the server called; the whole stack where there is none (the server itself is at work)."""
    entries = _entries()
    for place in range(len(stack) - 1, -1, -1):
        if id(stack[place][0]) in entries:
            return stack[:place]
    return stack


def entered(stack: Stack) -> bool:
    """Whether the app is at work in this stack: called through our middleware, or for the next piece of its body."""
    entries = _entries()
    return any(id(code) in entries for code, _ in stack)


_places: dict[tuple[int, int], tuple[CodeType, Place]] = {}
_entry_codes: set[int] = set()


def _entries() -> set[int]:
    """The code of ours that servers call, by identity: hashing a code object hashes its bytecode."""
    if not _entry_codes:
        from flasktop.agent.body import Body
        from flasktop.agent.middleware import Middleware

        for function in (Middleware.__call__, Body.__iter__, Body.__next__, Body.close):
            _entry_codes.add(id(function.__code__))
    return _entry_codes


def _newest_of_threads(traces: list[RequestTrace]) -> dict[int, RequestTrace]:
    newest: dict[int, RequestTrace] = {}
    for trace in traces:
        known = newest.get(trace.thread)
        if known is None or trace.start_ns > known.start_ns:
            newest[trace.thread] = trace
    return newest


def _greenlet(trace: RequestTrace, hub_thread: int) -> Seen:
    greenlet = trace.greenlet() if trace.greenlet is not None else None
    if greenlet is None:
        return Seen(trace, None, None)
    for _ in range(TRIES):
        frame = greenlet.gr_frame
        if frame is not None:
            return Seen(trace, walk(frame), False)
        if greenlet.dead:
            break
        stack = walk(sys._current_frames().get(hub_thread))
        if greenlet.gr_frame is None and entered(stack):
            return Seen(trace, stack, True)
    return Seen(trace, None, None)
