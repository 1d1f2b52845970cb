"""The frames of running calls, where a walk of the heap finds them.

guppy3 follows a thread's frames only where it runs itself, and a forked child has one thread. So the frames of all
threads are held in a global here at the moment of the fork; whatever only a call under way refers to then has a path.
"""

from __future__ import annotations

import gc
import sys
from types import FrameType

from flasktop.agent import native
from flasktop.agent.heap.naming import isinstance_of

FRAMES: list[FrameType] = []
"""All frames of all threads at the moment of the fork, and in the child those of all greenlets. Empty otherwise."""

LIMIT = 20_000
"""Frames kept: hundreds of threads, each of them deep."""


def hold() -> None:
    """Put the frames of all threads but flasktop's own into ``FRAMES``.

    The caller empties ``FRAMES`` after the fork, in a thread where a destructor may do what it likes. The cyclic
    collector must be off: on Python before 3.12 it can deadlock in here (cpython#106883).
    """
    for frame in sys._current_frames().values():
        _add(frame)


def hold_greenlets() -> None:
    """In the child: add the frames of all greenlets that wait (looks at all objects of the heap)."""
    if not native.greenlets():
        return
    kind = getattr(sys.modules.get("greenlet"), "greenlet", None)
    if isinstance(kind, type):
        for one in gc.get_objects():
            if isinstance_of(one, kind) and one.gr_frame is not None:
                _add(one.gr_frame)


def _add(frame: FrameType | None) -> None:
    chain = []
    while frame is not None:
        chain.append(frame)
        frame = frame.f_back
    if not str(chain[-1].f_globals.get("__name__")).startswith("flasktop.") and len(FRAMES) + len(chain) <= LIMIT:
        FRAMES.extend(chain)
