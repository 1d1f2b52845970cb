"""Which service carries out which command: a line each."""

from __future__ import annotations

from typing import Final

import msgspec

from flasktop.protocol.commands import Grant, explain, heap, index, memory, ping, profile, stacks
from flasktop.protocol.records import Message


class Registration(msgspec.Struct, frozen=True):
    """``factory`` is ``module:class`` (a ``job.Service``), imported when one of ``commands`` is first asked for: an app
    that nobody asks anything pays for none of it."""

    factory: str
    commands: tuple[type[Message], ...]
    grant: Grant | None
    at_once: int
    per_second: int


SERVICES: Final[tuple[Registration, ...]] = (
    Registration("flasktop.agent.commands.ping:Answering", (ping.Ping,), None, at_once=8, per_second=1000),
    Registration("flasktop.agent.commands.profile:Profiling", (profile.ProfileEndpoint,), "profile", 1, 5),
    Registration(
        "flasktop.agent.commands.heap:Heaps",
        (heap.TakeHeap, heap.WalkHeap, heap.HeapPaths, heap.DropHeap),
        "heap",
        at_once=4,
        per_second=50,
    ),
    Registration(
        "flasktop.agent.commands.explain:Explaining",
        (explain.Explain, index.TryIndex),
        "explain",
        at_once=1,
        per_second=4,
    ),
    Registration("flasktop.agent.commands.stacks:Stacks", (stacks.TakeStacks,), "stacks", at_once=4, per_second=20),
    Registration("flasktop.agent.commands.types:Counting", (memory.CountTypes,), "heap", at_once=1, per_second=1),
    Registration(
        "flasktop.agent.commands.allocations:Tracing", (memory.TraceAllocations,), "heap", at_once=1, per_second=1
    ),
)
