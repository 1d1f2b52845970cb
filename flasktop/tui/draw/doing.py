"""What a request in flight does, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rich.style import Style

from flasktop.protocol.commands.stacks import IN_SERVER, RequestStack, StackFrame
from flasktop.protocol.records import (
    COMMIT,
    CONNECT,
    CPU,
    INTERPRETER,
    POOL_WAIT,
    ROLLBACK,
    SQL,
    STATEMENT,
    UNKNOWN,
    WAIT,
)
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place
from flasktop.tui.thresholds import OVER_P95
from flasktop.units import ms_unit

_CALL: Final = re.compile(r"([A-Za-z_][\w.]*)\s*\(")
_STDLIB: Final = re.compile(r"^.*/lib/python3\.\d+/")
_NO_CALLS: Final = frozenset(
    {"if", "while", "for", "return", "not", "and", "or", "in", "with", "print", "await", "assert"}
)

_WAITS: Final = (
    ("/threading.py", ("wait", "acquire", "__enter__", "_wait_for_tstate_lock"), "for a lock or an event"),
    ("/threading.py", ("join",), "for a thread to end"),
    ("/queue.py", ("get", "put"), "for a queue"),
    ("/concurrent/futures/", ("result", "wait"), "for the result of another thread"),
    ("/subprocess.py", (), "for a child process"),
    ("/ssl.py", (), "for the other end of a TLS connection"),
    ("/socket.py", (), "for the other end of a socket"),
    ("/http/client.py", (), "for an HTTP server"),
    ("/selectors.py", (), "for input or output"),
    ("/gevent/_socket", (), "for the other end of a socket"),
    ("/gevent/hub.py", ("sleep",), "in time.sleep (gevent's)"),
    ("/gevent/event.py", (), "for an event"),
    ("/gevent/thread.py", (), "for a lock"),
    ("/gevent/lock.py", (), "for a lock"),
    ("/gevent/queue.py", (), "for a queue"),
    ("/asgiref/", (), "for an async view"),
)  # fmt: skip
"""What is waited for, by the library's file and function (none: any)."""
_LOOKED_AT: Final = 8
"""Innermost frames that are looked at for what is waited for."""

SHORT: Final = {STATEMENT: "SQL", COMMIT: "COMMIT", ROLLBACK: "ROLLBACK", CONNECT: "connect", POOL_WAIT: "pool wait"}
"""The kinds of database call in a word or two."""


def short_doing(doing: str, kind: str) -> str:
    """One or two words for a table.

    >>> [short_doing(*each) for each in (("sql", "statement"), ("sql", "pool"), ("wait", ""), ("cpu", ""), ("?", ""))]
    ['SQL', 'pool wait', 'waiting', 'on CPU', 'unknown']
    """
    if doing == SQL:
        return SHORT.get(kind, "SQL")
    if kind == INTERPRETER:
        return "waiting for GIL"
    return {WAIT: "waiting", CPU: "on CPU"}.get(doing, "unknown")


def over_p95(age_ms: float, p95_ms: float | None) -> float | None:
    """How many times its endpoint's p95 a request is old; None where that is not known."""
    return age_ms / p95_ms if p95_ms else None


def age_style(age_ms: float, p95_ms: float | None, palette: Palette) -> Style:
    """An age's colour: by its endpoint's own p95, never by what is slow elsewhere."""
    times = over_p95(age_ms, p95_ms)
    return palette.text if times is None else palette.threshold(times, *OVER_P95)


def doing_style(doing: str, kind: str, palette: Palette) -> Style:
    """The hue that its time will have in every bar."""
    if doing == SQL:
        return palette.of_kind(kind or STATEMENT)
    return {WAIT: palette.wait, CPU: palette.cpu}.get(doing, palette.dim)


def sentence(
    stack: RequestStack, frames: Sequence[StackFrame], directory: str = "", *, with_statement: bool = True
) -> str:
    """What a request does now, and where; ``frames`` are its own, innermost first."""
    own = next((frame for frame in frames if frame.own), None)
    at = place(own.file, own.line, directory, 200) if own is not None else ""
    lasted = f" {ms_unit(stack.doing_us / 1e3)}" if stack.doing_us != UNKNOWN else ""
    called = f", called at {at}" if at else ""
    if stack.doing == SQL:
        return _database(stack, lasted, with_statement) + called
    if not frames:
        return _nowhere(stack)
    if stack.where == IN_SERVER:
        return "The app has answered; the server has it, to send the rest of its body or to close it."
    if stack.kind == INTERPRETER:
        waiting = f"waiting{lasted} for the interpreter's lock (GIL), which another thread computes with;"
        return f"{waiting} it is {_at(frames[0], directory)}" + ("" if frames[0] is own else called)
    if stack.doing == WAIT:
        return f"waiting{lasted} {_waiting_for(frames, directory)}" + ("" if frames[0] is own else called) + _in(own)
    if stack.doing == CPU:
        return f"on CPU{lasted and f' for{lasted}'} {_at(frames[0], directory)}" + ("" if frames[0] is own else called)
    where = f"at {at}" if at else _at(frames[0], directory)
    return f"{where}; whether it computes or waits cannot be told here"


def _in(own: StackFrame | None) -> str:
    return "" if own is None else f" in {own.function}"


def _at(frame: StackFrame, directory: str) -> str:
    return f"at {short_place(frame, directory)} in {frame.function}"


def short_place(frame: StackFrame, directory: str, width: int = 200) -> str:
    """``path:line`` of a frame: from the app's directory where it is its own code, else from the library's."""
    if frame.own:
        return place(frame.file, frame.line, directory, width)
    for part in ("/site-packages/", "/dist-packages/"):
        _, found, inside = frame.file.rpartition(part)
        if found:
            return place(inside, frame.line, "", width)
    inside = _STDLIB.sub("", frame.file, count=1)
    return place(inside, frame.line, "", width)


def _nowhere(stack: RequestStack) -> str:
    if stack.where == IN_SERVER:
        return "The app has answered; the server has it, to send the rest of its body or to close it."
    return "Its stack could not be taken: it ended just then, or its thread serves another request by now."


def _database(stack: RequestStack, lasted: str, with_statement: bool) -> str:
    after = f" for{lasted}" if lasted else ""
    if stack.kind == STATEMENT:
        text = f": {' '.join(stack.statement.split())}" if stack.statement and with_statement else ""
        return f"running SQL{after}{text}"
    words = {
        COMMIT: f"committing{after}",
        ROLLBACK: f"rolling back{after}",
        CONNECT: f"connecting to the database{after}",
        POOL_WAIT: f"waiting{lasted} for a free connection of the pool",
    }
    return words.get(stack.kind, f"in the database{after}")


def _waiting_for(frames: Sequence[StackFrame], directory: str) -> str:
    """For what: by the library frames that are known, else the call that the innermost line makes."""
    for frame in frames[:_LOOKED_AT]:
        if frame.own:
            break
        for file, functions, words in _WAITS:
            if file in frame.file and (not functions or frame.function.rpartition(".")[2] in functions):
                return words
    called = call_in(frames[0].source)
    innermost = short_place(frames[0], directory)
    return f"in {called} at {innermost}" if called else f"at {innermost}"


def call_in(source: str) -> str:
    """The first call in a line of source, empty where there is none.

    >>> call_in("time.sleep(min(2, n))"), call_in("if waiter.acquire(True):"), call_in("x = 1")
    ('time.sleep', 'waiter.acquire', '')
    """
    return next((name for name in _CALL.findall(source) if name not in _NO_CALLS), "")
