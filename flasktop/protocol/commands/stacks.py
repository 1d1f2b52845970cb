"""The stacks of requests in flight: where each of them is in its code, and what it does there."""

from __future__ import annotations

from typing import Final, Literal

from flasktop.protocol.records import DOING_UNKNOWN, UNKNOWN, Message

IN_APP: Final = "app"
"""The app is at work: its view, or its body."""
IN_SERVER: Final = "server"
"""The app has answered; the server has it now, to send the rest of its body or to close it."""
NOT_FOUND: Final = ""
"""Nobody knows which thread serves it now, or it ended just then."""

Where = Literal["app", "server", ""]


class TakeStacks(Message, frozen=True, tag="take stacks"):
    """The stack of the request that began at ``begun_us`` (as in ``InFlight``), or of all (UNKNOWN), oldest first."""

    begun_us: int = UNKNOWN


class StackFrame(Message, frozen=True):
    """A frame: ``own`` is the app's own code, else a library's; ``source`` the text of its line, empty where unknown.

    ``file`` is empty for frames that were left out of a deep stack: ``function`` says how many.
    """

    file: str
    line: int
    function: str
    own: bool
    source: str = ""


class RequestStack(Message, frozen=True):
    """One request and its stack: ``frames`` are indices into ``StacksTaken.frames``, innermost first, without the
    server's and flasktop's own. Other fields are as in ``InFlight``; ``route`` is the rule itself, ``statement`` the
    masked text. ``coroutine``: the frames are those of an async view's coroutine.
    """

    begun_us: int
    age_us: int
    app: str
    method: str
    route: str
    path: str
    thread_id: int
    thread: str
    statements: int
    cpu_us: int
    frames: tuple[int, ...]
    where: str = NOT_FOUND
    doing: str = DOING_UNKNOWN
    doing_us: int = UNKNOWN
    kind: str = ""
    statement: str = ""
    engine: str = ""
    coroutine: bool = False


class StacksTaken(Message, frozen=True, tag="stacks"):
    """What was seen: ``stacks`` of some of the ``in_flight`` requests."""

    frames: tuple[StackFrame, ...]
    stacks: tuple[RequestStack, ...]
    in_flight: int
