"""What a worker and its frozen copy say to each other, over a socket pair: a length, then msgpack.

Encoder and decoders are made here, in the parent: the copy must import nothing.
"""

from __future__ import annotations

import os
import struct
from typing import Any, Final

import msgspec

from flasktop.protocol.commands.heap import HeapHeld, HeapPart, HeapPaths, HeapRow, WalkHeap
from flasktop.protocol.records import Message

LENGTH: Final = struct.Struct("<I")
MAX_BYTES: Final = 4 * 1024 * 1024
"""No message is longer: a copy that says so has gone mad."""


class Weigh(Message, frozen=True, tag="weigh"):
    """Walk the whole heap and divide it by type; the ``limit`` largest rows are wanted."""

    limit: int


class Weighed(Message, frozen=True, tag="weighed"):
    """The whole heap: see ``HeapTaken``."""

    objects: int
    bytes: int
    types: int
    by_type: tuple[HeapRow, ...]


class Stage(Message, frozen=True, tag="stage"):
    """What the copy does now."""

    text: str


class Fault(Message, frozen=True, tag="fault"):
    """What was asked could not be done: as ``Failed``."""

    reason: str
    message: str
    hint: str


Asked = Weigh | WalkHeap | HeapPaths
Told = Weighed | HeapPart | HeapHeld | Stage | Fault

_encoder: Final = msgspec.msgpack.Encoder()
asked_decoder: Final = msgspec.msgpack.Decoder(Asked)
told_decoder: Final = msgspec.msgpack.Decoder(Told)


def encode(message: Message) -> bytes:
    """The bytes of one message."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


def send(descriptor: int, message: Message) -> None:
    """Write all of a message.

    Raises:
        OSError: nobody reads.
    """
    left = memoryview(encode(message))
    while left:
        left = left[os.write(descriptor, left) :]


class Incoming:
    """Puts messages together from what a descriptor yields."""

    def __init__(self, descriptor: int, decoder: Any) -> None:
        self._descriptor = descriptor
        self._decoder = decoder
        self._held = b""

    def read(self) -> Any | None:
        """Read once; a message if that completes one, else None.

        Raises:
            EOFError: the other end is gone, or sends nonsense.
        """
        try:
            data = os.read(self._descriptor, 1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        self._held += data
        return self.next()

    def next(self) -> Any | None:
        """A message that is complete already, else None.

        Raises:
            EOFError: it is nonsense.
        """
        if len(self._held) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._held)
        if length > MAX_BYTES:
            raise EOFError
        end = LENGTH.size + length
        if len(self._held) < end:
            return None
        body, self._held = self._held[LENGTH.size : end], self._held[end:]
        try:
            return self._decoder.decode(body)
        except msgspec.MsgspecError:
            raise EOFError from None
