"""The slots of the black box: who runs now, written where a kill leaves it behind. Part of the hot path."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from flasktop.agent.trace import RequestTrace
from flasktop.protocol.blackbox import SLOT, SLOT_KILLED

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent

KILLED_GRACE_S: Final = 2.0
"""A request ended by SystemExit counts as killed only if the worker is gone within this time."""

_pack_slot = SLOT.pack_into
_SLOT_SIZE = SLOT.size
_METHODS = {name: name.encode() for name in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")}


def take(agent: Agent, trace: RequestTrace) -> None:
    """Write the request into the black box, so that a kill leaves it behind."""
    journal = agent.journal
    free = journal.free_slots
    if not free:
        return  # more in flight than slots: it is recorded when it ends
    app = trace.app
    path = b"" if app.mask_paths else trace.path.encode("latin-1", "replace")
    method = _METHODS.get(trace.method) or trace.method.encode("latin-1", "replace")
    try:
        slot = trace.slot = free.pop()
    except IndexError:
        return  # another thread took the last one
    agent.running[slot] = trace
    _pack_slot(journal.memory, journal.slots_at + slot * _SLOT_SIZE, 1, trace.start_ns, method, app.label, path, b"")


def release(agent: Agent, trace: RequestTrace) -> None:
    """Give the slot of a request back, or keep it for a while as killed."""
    slot = trace.slot
    if slot >= 0:
        trace.slot = -1
        agent.running[slot] = None
        journal = agent.journal
        raised = trace.raised
        if raised is not None and not issubclass(raised, Exception):
            journal.memory[journal.slots_at + slot * _SLOT_SIZE] = SLOT_KILLED
            agent.killed.append((time.perf_counter(), slot))
        else:
            journal.memory[journal.slots_at + slot * _SLOT_SIZE] = 0
            journal.free_slots.append(slot)


def free_killed(agent: Agent, now: float) -> None:
    """Free the slots of requests that were ended like a worker is, but whose worker lives on."""
    while agent.killed and now - agent.killed[0][0] > KILLED_GRACE_S:
        slot = agent.killed.popleft()[1]
        agent.journal.blank(slot)
        agent.journal.free_slots.append(slot)
