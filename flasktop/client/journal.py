"""Reading the journal file of a worker that cannot answer: it was killed, or it is stopped."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final

from flasktop.client.connection import check_version
from flasktop.client.neutral import died_requests, neutral_definitions, neutral_frame, neutral_hello
from flasktop.errors import ProtocolError
from flasktop.protocol.blackbox import HEADER_BYTES, BlackBox, parse, peek
from flasktop.protocol.events import Defined, DiedRequest, Event, Framed, Totalled, WorkerId
from flasktop.protocol.messages import Hello

MAX_JOURNAL_BYTES: Final = 1 << 30
"""A file longer than this is not read."""

OLD_S: Final = 3600.0
"""A dead worker's journal older than this is not shown."""

SAME_CLOCK_S: Final = 30.0
"""Closer than this, the monotonic clocks of worker and reader are taken for the same clock of the same host."""


def read_hello(path: Path, owner: int) -> tuple[Hello, float] | None:
    """Who wrote the journal and its last sign of life (Unix seconds); None where it is missing or unreadable."""
    try:
        hello, at = peek(_read(path, owner, HEADER_BYTES))
    except (OSError, ProtocolError):
        return None
    return neutral_hello(hello), last_seen(hello, at)


def introduction(path: Path, owner: int) -> Hello | None:
    """Who wrote the journal, where it is worth reading: there, not too old, and of our version."""
    found = read_hello(path, owner)
    if found is None or time.time() - found[1] > OLD_S:
        return None
    try:
        check_version(found[0])
    except ProtocolError:
        return None
    return found[0]


def last_seen(hello: Hello, at: float) -> float:
    """The last sign of life; a worker that was killed at once had left none since its Hello."""
    return max(hello.at, at)


def read_journal(path: Path, owner: int) -> BlackBox | None:
    """The whole journal; None where it is missing or unreadable."""
    try:
        return parse(_read(path, owner, MAX_JOURNAL_BYTES))
    except (OSError, ProtocolError):
        return None


def _read(path: Path, owner: int, limit: int) -> bytes:
    # Neither a symlink nor a FIFO that would block: root reads directories of other users.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != owner or state.st_size > MAX_JOURNAL_BYTES:
            raise ProtocolError("The file is not a journal of the right user, or is too long for one.")
        return file.read(limit)


def contents(worker: WorkerId, box: BlackBox, newest: int | None) -> list[Event]:
    """What a journal tells: definitions, totals, frames. Frames after number ``newest`` count as live."""
    events: list[Event] = [Defined(worker, neutral_definitions(definitions)) for definitions in box.definitions]
    if box.totals is not None:
        events.append(Totalled(worker, box.totals))
    events += [
        Framed(worker, neutral_frame(frame), live=newest is not None and frame.seq > newest) for frame in box.frames
    ]
    return events


def victims(worker: WorkerId, box: BlackBox) -> tuple[DiedRequest, ...]:
    """The requests that were in flight when the worker died."""
    return died_requests(worker.pid, box.in_flight)


def mono_offset(hello: Hello, *, received: bool) -> float:
    """What to add to the worker's monotonic clock for ours: 0 on the same host.

    ``received``: the Hello was sent just now, so that its clock can be compared directly; else (from a file) the
    wall clock has to bridge the time since, also over a reboot.
    """
    age = 0.0 if received else time.time() - hello.at
    offset = time.monotonic() - age - hello.mono
    return 0.0 if abs(offset) < SAME_CLOCK_S else offset
