"""What a reader may ask a worker to do, and what the worker says to it.

A command is asked under a number of the reader's own and gets exactly one ``Answered`` or ``Failed``; while it is under
way there may be any number of ``Working``. ``Cancel``, or hanging up, ends it. No command carries code, SQL or a path:
statements and routes are named by the ids of the worker's own definition table.

A new command is a file here with its structs, a word in each of the two unions, and a line in
``flasktop.agent.commands.services``.
"""

from __future__ import annotations

from typing import Final, Literal

from flasktop.protocol.commands.explain import Explain, Planned
from flasktop.protocol.commands.heap import (
    DropHeap,
    HeapDropped,
    HeapHeld,
    HeapPart,
    HeapPaths,
    HeapTaken,
    TakeHeap,
    WalkHeap,
)
from flasktop.protocol.commands.index import IndexTried, TryIndex
from flasktop.protocol.commands.memory import AllocationSites, CountTypes, TraceAllocations, TypeCounts
from flasktop.protocol.commands.ping import Ping, Pong
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint
from flasktop.protocol.commands.stacks import StacksTaken, TakeStacks
from flasktop.protocol.records import UNKNOWN, Message

Command = (
    Ping
    | TakeHeap | WalkHeap | HeapPaths | DropHeap
    | ProfileEndpoint
    | Explain | TryIndex
    | TakeStacks
    | CountTypes | TraceAllocations
)  # fmt: skip
"""Everything that can be asked."""

Answer = (
    Pong
    | HeapTaken | HeapPart | HeapHeld | HeapDropped
    | Profiled
    | Planned | IndexTried
    | StacksTaken
    | TypeCounts | AllocationSites
)  # fmt: skip
"""Everything that can be answered."""

Grant = Literal["heap", "stacks", "profile", "explain"]
GRANTS: Final[tuple[Grant, ...]] = ("heap", "stacks", "profile", "explain")
"""What an app's owner may allow or not (``FLASKTOP_GRANTS``); a worker's ``Hello`` names those it allows."""

# Failed.reason
NOT_GRANTED: Final = "not granted"
"""The app's settings do not allow it."""
BUSY: Final = "busy"
"""The worker does as much of this as it may already."""
IMPOSSIBLE: Final = "impossible"
"""This worker, platform, database or moment cannot."""
GONE: Final = "gone"
"""What the command names does not exist (any more)."""
TIMED_OUT: Final = "timed out"
CANCELLED: Final = "cancelled"
FAULT: Final = "fault"
"""Flasktop's own code failed; the app is not affected."""


class Ask(Message, frozen=True, tag="ask"):
    """Carry out ``command``. ``id`` is the reader's own number for it, used once in a connection."""

    id: int
    command: Command


class Cancel(Message, frozen=True, tag="cancel"):
    """Stop command ``id``; it is answered as cancelled, if it has not been answered already."""

    id: int


class Working(Message, frozen=True, tag="working"):
    """Command ``id`` is under way: what it does now, for how long, and how long it will take in all, estimated
    (UNKNOWN: no idea)."""

    id: int
    stage: str
    elapsed_s: float
    expected_s: float = UNKNOWN


class Answered(Message, frozen=True, tag="answered"):
    """Command ``id`` is done."""

    id: int
    answer: Answer


class Failed(Message, frozen=True, tag="failed"):
    """Command ``id`` was not carried out: one of the reasons above, what happened, and what to do about it."""

    id: int
    reason: str
    message: str
    hint: str
