"""What a request leaves behind when it has ended, for the agent's thread."""

from __future__ import annotations

import msgspec

from flasktop.agent.rules import KnownRule
from flasktop.agent.trace import AppInfo, RequestTrace


class QuickRequest(msgspec.Struct, gc=False, eq=False):
    """A request that has ended as most do: not slow (``answers.SLOW_NS``), without a database or a fault, its answer in
    one short piece.

    What the agent's thread needs of it, and no more. So the ``RequestTrace`` is freed by the thread that made it, whose
    next request gets the same memory, still in the processor's cache: the agent's thread has it come from, and go to,
    another processor. ``bytes_sent`` of its body were at hand at ``end_ns``. ``cpu_ns`` is the thread's CPU time in it,
    UNKNOWN where that cannot be told, and UNREAD where it is its duration, if that is short.
    """

    app: AppInfo
    rule: KnownRule
    method: str
    path: str
    query: str
    start_ns: int
    end_ns: int
    status: int
    bytes_sent: int
    cpu_ns: int


Finished = RequestTrace | QuickRequest
"""What waits for the agent's thread."""
