"""The layout of a worker's journal file, which outlives a killed worker.

::

    header       magic, layout, sizes of the regions; heads, lengths and clocks, each at an offset of its own;
                 the encoded ``Hello``
    slots        one fixed-size record for each request in flight, written by the request's own thread
    definitions  encoded ``Definitions`` messages, one after the other, never moved
    totals       two copies of an encoded ``Totals``, written in turn
    ring         encoded ``Frame`` messages; head and tail are byte counts that only grow

A kill can come between any two writes. So content is written first and made visible by one small write after it,
and ``parse`` takes what is whole and leaves the rest.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from flasktop.errors import ProtocolError
from flasktop.protocol.codec import HEADER, MAX_TO_READER
from flasktop.protocol.messages import Definitions, Frame, Hello, Totals
from flasktop.protocol.talk import ToReader

MAGIC: Final = b"FLASKTOP"
LAYOUT_VERSION: Final = 1

HEADER_BYTES: Final = 4096
PREAMBLE: Final = struct.Struct("<8s6I")
"""Magic, layout version, number of slots, bytes of definitions, of one totals copy, of the ring, of the Hello."""
HEAD: Final = (struct.Struct("<Q"), 64)
TAIL: Final = (struct.Struct("<Q"), 72)
DEFINITIONS_LENGTH: Final = (struct.Struct("<Q"), 80)
TOTALS_ACTIVE: Final = (struct.Struct("<Q"), 88)
"""The whole copy's index in the upper, its length in the lower 32 bits."""
CLOCKS: Final = (struct.Struct("<dd"), 96)
"""Wall and monotonic seconds at the last sign of life."""
HELLO_AT: Final = 256

SLOT: Final = struct.Struct("<B7xQ8s40s96s96s")
"""State, start (ns, monotonic), method, app, path, route: UTF-8, cut, padded with zero bytes."""
SLOT_ROUTE: Final = struct.Struct("<96s")
SLOT_ROUTE_AT: Final = SLOT.size - SLOT_ROUTE.size
SLOT_PATH_AT: Final = SLOT_ROUTE_AT - SLOT_ROUTE.size
SLOT_FREE: Final = 0
SLOT_BUSY: Final = 1
SLOT_KILLED: Final = 2
"""The request ended by SystemExit or the like: killed, if the worker is gone soon after."""


class Layout(msgspec.Struct, frozen=True):
    """Sizes of the regions (``slots`` in records, the others in bytes): all that is needed to find them."""

    slots: int
    definitions: int
    totals: int
    ring: int

    @property
    def slots_at(self) -> int:
        return HEADER_BYTES

    @property
    def definitions_at(self) -> int:
        return self.slots_at + self.slots * SLOT.size

    @property
    def totals_at(self) -> int:
        return self.definitions_at + self.definitions

    @property
    def ring_at(self) -> int:
        return self.totals_at + 2 * self.totals

    @property
    def size(self) -> int:
        return self.ring_at + self.ring


class SlotRecord(msgspec.Struct, frozen=True):
    """A request that was in flight. ``age_ms`` at the last sign of life; ``route`` empty before routing."""

    app: str
    method: str
    route: str
    path: str
    age_ms: float


class BlackBox(msgspec.Struct, frozen=True):
    """What a worker's file holds. ``at`` is the wall clock of its last sign of life, Unix seconds."""

    hello: Hello
    at: float
    definitions: tuple[Definitions, ...]
    totals: Totals | None
    frames: tuple[Frame, ...]
    in_flight: tuple[SlotRecord, ...]


_UNREADABLE: Final = "It is left alone; delete it if nothing else uses it."
T = TypeVar("T")


def parse(data: bytes) -> BlackBox:
    """Read a journal file's content.

    Raises:
        ProtocolError: it is no journal, is of another layout, or was never finished (killed at its birth).
    """
    hello, layout = _preamble(data)
    wall, mono = CLOCKS[0].unpack_from(data, CLOCKS[1])
    definitions_end = layout.definitions_at + DEFINITIONS_LENGTH[0].unpack_from(data, DEFINITIONS_LENGTH[1])[0]
    definitions = data[layout.definitions_at : min(definitions_end, layout.totals_at)]
    if not math.isfinite(mono):
        mono = 0.0
    return BlackBox(
        hello=hello,
        at=wall if math.isfinite(wall) else 0.0,
        definitions=tuple(_only(Definitions, _walk(definitions))),
        totals=_totals(data, layout),
        frames=tuple(_only(Frame, _walk(_ring(data, layout)))),
        in_flight=tuple(_slots(data, layout, mono)),
    )


def peek(header: bytes) -> tuple[Hello, float]:
    """Read who wrote a journal, and the wall clock of its last sign of life, from its first ``HEADER_BYTES``.

    Raises:
        ProtocolError: as ``parse``.
    """
    hello, _ = _header(header)
    wall = CLOCKS[0].unpack_from(header, CLOCKS[1])[0]
    return hello, wall if math.isfinite(wall) else 0.0


def _preamble(data: bytes) -> tuple[Hello, Layout]:
    hello, layout = _header(data)
    if len(data) < layout.size:
        raise ProtocolError("The journal was cut short.", _UNREADABLE)
    return hello, layout


def _header(data: bytes) -> tuple[Hello, Layout]:
    if len(data) < HEADER_BYTES:
        raise ProtocolError("The file is too short to be a flasktop journal.", _UNREADABLE)
    magic, version, slots, definitions, totals, ring, hello_length = PREAMBLE.unpack_from(data)
    if magic != MAGIC or version != LAYOUT_VERSION:
        raise ProtocolError("The file is not a journal of this version of flasktop.", _UNREADABLE)
    hello = next(iter(_only(Hello, _walk(data[HELLO_AT : min(HELLO_AT + hello_length, HEADER_BYTES)]))), None)
    if hello is None:
        raise ProtocolError("The journal ends before it says which worker wrote it.", _UNREADABLE)
    return hello, Layout(slots, definitions, totals, ring)


@lru_cache(maxsize=1)
def _decoder() -> msgspec.msgpack.Decoder[ToReader]:
    """Made by whoever reads a journal first: the worker that writes one has no use for it."""
    return msgspec.msgpack.Decoder(ToReader)


def _walk(region: bytes) -> Iterator[ToReader]:
    """Decode message after message until the region ends or stops making sense."""
    at, decoder = 0, _decoder()
    while at + HEADER <= len(region):
        length = int.from_bytes(region[at : at + HEADER], "big")
        at += HEADER
        if not 0 < length <= MAX_TO_READER or at + length > len(region):
            return
        try:
            yield decoder.decode(region[at : at + length])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        at += length


def _only(kind: type[T], messages: Iterator[ToReader]) -> Iterator[T]:
    return (message for message in messages if isinstance(message, kind))


def _totals(data: bytes, layout: Layout) -> Totals | None:
    active = TOTALS_ACTIVE[0].unpack_from(data, TOTALS_ACTIVE[1])[0]
    copy, length = active >> 32, active & 0xFFFFFFFF
    if copy > 1 or not 0 < length <= layout.totals:
        return None
    start = layout.totals_at + copy * layout.totals
    return next(iter(_only(Totals, _walk(data[start : start + length]))), None)


def _ring(data: bytes, layout: Layout) -> bytes:
    """The ring's content from tail to head, unrolled."""
    head = HEAD[0].unpack_from(data, HEAD[1])[0]
    tail = TAIL[0].unpack_from(data, TAIL[1])[0]
    if not 0 <= head - tail <= layout.ring or not layout.ring:
        return b""
    ring = data[layout.ring_at : layout.ring_at + layout.ring]
    start, end = tail % layout.ring, tail % layout.ring + head - tail
    return ring[start:end] if end <= layout.ring else ring[start:] + ring[: end - layout.ring]


def _slots(data: bytes, layout: Layout, mono: float) -> Iterator[SlotRecord]:
    for at in range(layout.slots_at, layout.definitions_at, SLOT.size):
        state, start_ns, method, app, path, route = SLOT.unpack_from(data, at)
        if state in (SLOT_BUSY, SLOT_KILLED):
            age_ms = max(0.0, mono * 1e3 - start_ns / 1e6)
            yield SlotRecord(_text(app), _text(method), _text(route), _text(path), age_ms)


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode("utf-8", "replace")
