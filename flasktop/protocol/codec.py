"""Framing and encoding: every message is four bytes of length (big-endian), then msgpack.

``Decoder`` is fed bytes as they come and gives back whole messages; a length beyond the limit is refused before
anything is allocated for it.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

from flasktop.errors import ProtocolError
from flasktop.protocol.records import Message
from flasktop.protocol.talk import ToReader, ToWorker

HEADER: Final = 4
MAX_TO_READER: Final = 4 * 1024 * 1024
"""The longest message that a worker sends, in bytes."""
MAX_TO_WORKER: Final = 1024
"""The longest message that a reader sends, in bytes."""

_encoder: Final = msgspec.msgpack.Encoder()
M = TypeVar("M")


def encode(message: Message) -> bytes:
    """Return ``message`` as it travels, length first."""
    body = _encoder.encode(message)
    return len(body).to_bytes(HEADER, "big") + body


class Decoder(Generic[M]):
    """Bytes in, messages out.

    Args:
        kind: the type (or union of tagged types) of what the peer may send.
        limit: the longest body accepted, in bytes.
    """

    def __init__(self, kind: type[M], limit: int) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(kind)
        self._limit = limit
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of an unfinished message."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> list[M]:
        """Take ``data`` and return the messages that it completes.

        Raises:
            ProtocolError: the length is beyond the limit, or the body is not a message that the peer may send.
        """
        buffer = self._buffer
        buffer += data
        messages: list[M] = []
        start = 0
        while len(buffer) - start >= HEADER:
            length = int.from_bytes(buffer[start : start + HEADER], "big")
            if length > self._limit:
                raise ProtocolError(
                    f"The other end announced a message of {length:,} bytes, more than the {self._limit:,} allowed.",
                    "It is probably not flasktop, or a version that does not fit this one.",
                )
            end = start + HEADER + length
            if len(buffer) < end:
                break
            messages.append(self._decode(buffer[start + HEADER : end]))
            start = end
        del buffer[:start]
        return messages

    def _decode(self, body: bytearray) -> M:
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(
                f"The other end sent something that is not a flasktop message ({error}).",
                "Update flasktop in the app and in the terminal to the same version.",
            ) from error


def decoder_for_reader() -> Decoder[ToReader]:
    """A decoder of what workers send."""
    return Decoder(ToReader, MAX_TO_READER)  # type: ignore[arg-type]  # mypy has no type for "a union as a value"


def decoder_for_worker() -> Decoder[ToWorker]:
    """A decoder of what readers send."""
    return Decoder(ToWorker, MAX_TO_WORKER)  # type: ignore[arg-type]  # mypy has no type for "a union as a value"
