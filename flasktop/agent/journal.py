"""The worker's journal: a bounded ring of encoded frames in an mmap'd file, with what is needed to read it.

Written by the agent's thread alone, except the slots of requests in flight, which the requests' own threads write.
The layout, and why it survives a kill, is in ``flasktop.protocol.blackbox``.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import structs

from flasktop.protocol import blackbox
from flasktop.protocol.blackbox import HEADER_BYTES, HELLO_AT, SLOT, Layout
from flasktop.protocol.codec import encode
from flasktop.protocol.messages import Hello, Totals

TOTALS_SHARE: Final = 16
DEFINITIONS_SHARE: Final = 8
"""One part in so many of the file holds each copy of the totals, and the definitions; the ring gets the rest."""
KEPT_FOR_LAST: Final = 8 * 1024
"""Bytes of the definitions' region for the rows ``<unmatched>``, ``<other routes>`` and ``<other statements>``."""


def layout_for(size: int, slots: int) -> Layout:
    """Divide a file of about ``size`` bytes; the ring has at least half of it."""
    room = max(size - HEADER_BYTES - slots * SLOT.size, size // 2)
    definitions, totals = room // DEFINITIONS_SHARE, room // TOTALS_SHARE
    return Layout(slots, definitions, totals, room - definitions - 2 * totals)


class Entry(NamedTuple):
    """Where a frame lies. ``position`` counts all bytes ever written to the ring."""

    seq: int
    position: int
    length: int
    mono: float
    at: float


class Journal:
    """One worker's journal file.

    ``memory`` is the file's content; ``free_slots``, and ``slots_at`` (where each begins), serve the hot path.

    Raises:
        OSError: the file cannot be made, or the disk has no room for it (it is reserved whole at once: a sparse
            file would end the app with SIGBUS when the disk fills up later).
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.layout = layout
        self.memory = _create(path, layout.size)
        self.slots_at = [layout.slots_at + slot * SLOT.size for slot in range(layout.slots)]
        self.free_slots = list(range(layout.slots - 1, -1, -1))
        self._entries: deque[Entry] = deque()
        self._head = 0
        self._tail = 0
        self._definitions_length = 0
        self._totals_copy = 0
        self.next_seq = 0
        sizes = (layout.slots, layout.definitions, layout.totals, layout.ring, 0)
        blackbox.PREAMBLE.pack_into(self.memory, 0, blackbox.MAGIC, blackbox.LAYOUT_VERSION, *sizes)

    # -- writing --

    def write_hello(self, hello: Hello) -> None:
        """Store the worker's Hello in the header."""
        data = encode(hello)
        if len(data) > HEADER_BYTES - HELLO_AT:  # cut, it would be no message at all
            data = encode(structs.replace(hello, apps=hello.apps[:1], directory=""))
        self.memory[HELLO_AT : HELLO_AT + len(data)] = data
        layout = self.layout
        sizes = (layout.slots, layout.definitions, layout.totals, layout.ring, len(data))
        blackbox.PREAMBLE.pack_into(self.memory, 0, blackbox.MAGIC, blackbox.LAYOUT_VERSION, *sizes)

    def alive(self, wall: float, mono: float) -> None:
        """Leave a sign of life."""
        blackbox.CLOCKS[0].pack_into(self.memory, blackbox.CLOCKS[1], wall, mono)

    def append(self, frame: bytes, mono: float, at: float) -> None:
        """Add the next encoded frame, evicting the oldest that are in its way."""
        ring, length = self.layout.ring, len(frame)
        while self._entries and self._entries[0].position < self._head + length - ring:
            self._entries.popleft()
        self._tail = self._entries[0].position if self._entries else self._head
        self._put(blackbox.TAIL, self._tail)
        start = self.layout.ring_at + self._head % ring
        first = min(length, self.layout.size - start)
        self.memory[start : start + first] = frame[:first]
        if first < length:
            self.memory[self.layout.ring_at : self.layout.ring_at + length - first] = frame[first:]
        self._entries.append(Entry(self.next_seq, self._head, length, mono, at))
        self._head += length
        self.next_seq += 1
        self._put(blackbox.HEAD, self._head)

    def define(self, definitions: bytes, last: bool = False) -> bool:
        """Add an encoded ``Definitions`` message; False when there is no room for it.

        ``last``: it is one of the few that take what comes after, and may use the room kept for them.
        """
        end = self._definitions_length + len(definitions)
        if end > self.layout.definitions - (0 if last else KEPT_FOR_LAST):
            return False
        at = self.layout.definitions_at
        self.memory[at + self._definitions_length : at + end] = definitions
        self._definitions_length = end
        self._put(blackbox.DEFINITIONS_LENGTH, end)
        return True

    def write_totals(self, totals: Totals) -> None:
        """Store the whole totals in the copy that is not active, then make it the active one."""
        data = encode(totals)
        if len(data) > self.layout.totals:
            return
        self._totals_copy ^= 1
        start = self.layout.totals_at + self._totals_copy * self.layout.totals
        self.memory[start : start + len(data)] = data
        self._put(blackbox.TOTALS_ACTIVE, self._totals_copy << 32 | len(data))

    def _put(self, field: tuple[object, int], value: int) -> None:
        self.memory[field[1] : field[1] + 8] = value.to_bytes(8, "little")

    # -- reading --

    @property
    def oldest_seq(self) -> int:
        """The oldest frame still held; ``next_seq`` when there is none."""
        return self._entries[0].seq if self._entries else self.next_seq

    @property
    def history_from(self) -> float:
        """Wall clock of the oldest frame still held, 0 when there is none."""
        return self._entries[0].at if self._entries else 0.0

    @property
    def definitions_length(self) -> int:
        return self._definitions_length

    def definitions_since(self, offset: int, limit: int) -> bytes:
        """The next encoded definitions from ``offset`` on, at most ``limit`` bytes (perhaps less than a message)."""
        at = self.layout.definitions_at
        return self.memory[at + offset : at + min(self._definitions_length, offset + limit)]

    def frame(self, seq: int) -> bytes:
        """The encoded frame ``seq``, which must lie between ``oldest_seq`` and ``next_seq``."""
        entry = self._entries[seq - self._entries[0].seq]
        start = self.layout.ring_at + entry.position % self.layout.ring
        first = min(entry.length, self.layout.size - start)
        data = self.memory[start : start + first]
        rest = entry.length - first
        return data + self.memory[self.layout.ring_at : self.layout.ring_at + rest] if rest else data

    def first_since(self, mono: float) -> int:
        """The first frame not older than ``mono``."""
        for entry in reversed(self._entries):
            if entry.mono < mono:
                return entry.seq + 1
        return self.oldest_seq

    # -- the file --

    def move(self, path: Path) -> None:
        """Go on in a new file with the same content, because the old one has vanished."""
        memory = _create(path, self.layout.size)
        memory[:] = self.memory[:]
        self.memory = memory

    def blank(self, slot: int) -> None:
        """Leave no request in a slot."""
        self.memory[self.slots_at[slot]] = blackbox.SLOT_FREE

    @property
    def nobody_in_flight(self) -> bool:
        """Whether no slot holds a request, running or killed."""
        return all(self.memory[at] == blackbox.SLOT_FREE for at in self.slots_at)


def _create(path: Path, size: int) -> mmap.mmap:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        _reserve(descriptor, size)
        return mmap.mmap(descriptor, size)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    block = bytes(1024 * 1024)
    written = 0
    while written < size:
        written += os.write(descriptor, block[: size - written])
