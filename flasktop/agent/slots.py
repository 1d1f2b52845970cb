"""The slots of the black box: who runs now, written where a kill leaves it behind. Part of the hot path."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from flasktop.agent.trace import RequestTrace
from flasktop.protocol.blackbox import SLOT, SLOT_KILLED

if TYPE_CHECKING:
    from flasktop.agent.runtime import Agent

LATE_NS: Final = 100_000_000
"""A request that is dispatched later than this after its start is written into its slot before that."""
KILLED_GRACE_S: Final = 2.0
"""A request ended by SystemExit counts as killed only if the worker is gone within this time."""

pack_slot: Final = SLOT.pack_into
METHODS: Final = {name: name.encode() for name in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")}


def write(agent: Agent, trace: RequestTrace, route: bytes) -> None:
    """Write the request into its slot, so that a kill leaves it behind."""
    slot = trace.slot
    if slot < 0:
        return
    app, path, journal = trace.app, trace.path, agent.journal
    shown = b"" if app.mask_paths else path.encode("latin-1", "replace")
    method = METHODS.get(trace.method) or trace.method.encode("latin-1", "replace")
    pack_slot(journal.memory, journal.slots_at[slot], 1, trace.start_ns, method, app.label, shown, route)


def look_after(agent: Agent) -> None:
    """See to requests of which nothing more is heard; for the agent's thread.

    Those that Flask has not dispatched for long are written into their slots, which is done at dispatch else: where
    one goes on at this very moment, its slot is told as free. Those whose body has been dropped, and never closed,
    end; when, nobody knows: what is told is when they were answered.
    """
    late_ns = time.perf_counter_ns() - LATE_NS
    for slot, trace in enumerate(agent.running):
        if trace is None:
            continue
        if trace.body is not None and trace.body() is None:
            agent.drop(trace)
        elif trace.rule is None and trace.start_ns < late_ns:
            write(agent, trace, b"")
            if agent.running[slot] is not trace:
                agent.journal.blank(slot)


def release(agent: Agent, trace: RequestTrace) -> None:
    """Take the slot of a request from it, and give it back, or keep it for a while as killed."""
    slot, raised, journal = trace.slot, trace.raised, agent.journal
    if slot < 0:
        return
    agent.running[slot] = None
    if raised is None or issubclass(raised, Exception):
        journal.blank(slot)
        journal.free_slots.append(slot)
    else:
        write(agent, trace, trace.rule.label if trace.rule is not None else b"")
        journal.memory[journal.slots_at[slot]] = SLOT_KILLED
        agent.killed.append((time.perf_counter(), slot))
    trace.slot = -1


def free_killed(agent: Agent, now: float) -> None:
    """Free the slots of requests that were ended like a worker is, but whose worker lives on."""
    while agent.killed and now - agent.killed[0][0] > KILLED_GRACE_S:
        slot = agent.killed.popleft()[1]
        agent.journal.blank(slot)
        agent.journal.free_slots.append(slot)
