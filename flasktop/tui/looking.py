"""Looks at the live stack of one request again and again, and remembers since when it has stood at one line."""

from __future__ import annotations

from dataclasses import dataclass

from flasktop.errors import FlasktopError
from flasktop.protocol.commands.stacks import RequestStack, StackFrame, StacksTaken, TakeStacks
from flasktop.stats.in_flight import InFlightId
from flasktop.tui.source import Source

INNERMOST = 3
"""Frames that make "the same place": below them a loop may go round."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a request: its stack and frames (innermost first) at ``at``, or why nothing was (``problem``).

    ``since`` is since when it has been at the same place at every look (reader's clock).
    """

    request: InFlightId
    at: float
    since: float
    stack: RequestStack | None = None
    frames: tuple[StackFrame, ...] = ()
    problem: FlasktopError | None = None

    @property
    def own(self) -> StackFrame | None:
        """The innermost frame of the app's own code."""
        return next((frame for frame in self.frames if frame.own), None)


async def look(source: Source, request: InFlightId, now: float, before: Look | None = None) -> Look:
    """Ask for the stack of ``request``; never raises what a person can act on: it is told in ``problem``."""
    try:
        taken = await source.ask(request.worker, TakeStacks(request.begun_us), StacksTaken)
    except FlasktopError as problem:
        return Look(request, now, now, problem=problem)
    if not taken.stacks:
        return Look(request, now, now, problem=FlasktopError("The request has ended."))
    stack = taken.stacks[0]
    frames = tuple(taken.frames[number] for number in stack.frames if 0 <= number < len(taken.frames))
    same = before is not None and before.request == request and before.frames[:INNERMOST] == frames[:INNERMOST]
    return Look(request, now, before.since if before is not None and same else now, stack, frames)
