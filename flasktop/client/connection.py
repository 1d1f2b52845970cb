"""One connection to one worker: checked at both ends of the path, then messages."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from flasktop.client.neutral import neutral_message
from flasktop.client.timing import within
from flasktop.errors import ProtocolError, RefusedError
from flasktop.protocol.codec import decoder_for_reader, encode
from flasktop.protocol.messages import PROTOCOL_VERSION, Hello, Refusal
from flasktop.protocol.records import Message
from flasktop.protocol.talk import ToReader
from flasktop.rendezvous import check_peer, peer_uid

HELLO_TIMEOUT_S: Final = 2.0
"""A worker that has not said Hello after so long may be stopped, or its interpreter busy: we look, and may wait on.
Hanging up and calling again would begin from the start what a busy worker is about to answer."""
READ_BYTES: Final = 32 * 1024
"""Read at a time: decoded and taken in within a few milliseconds, so that a burst keeps no key press waiting."""


class Connection:
    """A connected socket of a worker. ``receive`` gives whole, neutral messages; the first is its Hello."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder_for_reader()
        self._early: list[ToReader] = []

    @classmethod
    async def open(cls, path: Path, owner: int) -> Connection:
        """Connect to ``path``, which must be a socket of ``owner``, served by ``owner``.

        Raises:
            RefusedError: it is not, or we may not connect.
            OSError: nobody listens, or the worker has no room for us now.
        """
        state = os.lstat(path)
        if not stat.S_ISSOCK(state.st_mode) or state.st_uid != owner:
            raise RefusedError(
                f"{path} is not a socket of uid {owner}: somebody may have planted it.", "Remove it if it is not yours."
            )
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            client.setblocking(False)
            # At once or never: for Unix sockets EAGAIN means a full backlog, which asyncio takes for "in progress".
            client.connect(os.fspath(path))
            check_peer(peer_uid(client), owner)
            reader, writer = await asyncio.open_unix_connection(sock=client)
        except PermissionError as error:
            client.close()
            raise RefusedError(f"{path} does not let this user in.", "Run as the user that runs the app.") from error
        except BaseException:
            client.close()
            raise
        return cls(reader, writer)

    async def hello(self, on_silence: Callable[[], Awaitable[None]]) -> Hello:
        """Wait for the worker's Hello and check it. ``on_silence`` is asked every ``HELLO_TIMEOUT_S`` whether to wait
        on, and raises where not.

        Raises:
            ProtocolError: the first message is something else, or of another protocol version.
            RefusedError: the worker will not serve us.
            EOFError: it hung up.
        """
        while not await self._greeted():
            await on_silence()
        first, *self._early = self._early
        if isinstance(first, Refusal):
            raise RefusedError(first.message, first.hint)
        if not isinstance(first, Hello):
            raise ProtocolError("The worker did not begin with its Hello.", "Update flasktop on both sides.")
        check_version(first)
        return first

    async def _greeted(self) -> bool:
        try:
            self._early = await within(HELLO_TIMEOUT_S, self._messages())
        except asyncio.TimeoutError:
            return False
        return True

    async def receive(self, timeout: float) -> list[ToReader]:
        """The next messages, at least one.

        Raises:
            asyncio.TimeoutError: nothing came for ``timeout`` seconds; the connection can be used on.
            EOFError: the worker hung up.
            ProtocolError: what came is not the protocol.
        """
        if self._early:
            early, self._early = self._early, []
            return early
        return await within(timeout, self._messages())

    async def _messages(self) -> list[ToReader]:
        while True:
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise EOFError
            messages = self._decoder.feed(data)
            if messages:
                return list(map(neutral_message, messages))

    def send(self, message: Message) -> None:
        """Send one (small) message."""
        self._writer.write(encode(message))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def check_version(hello: Hello) -> None:
    """Raise ProtocolError unless ``hello`` is of our protocol version, saying which side is to be updated."""
    if hello.version != PROTOCOL_VERSION:
        older, where = ("older", "app") if hello.version < PROTOCOL_VERSION else ("newer", "terminal")
        raise ProtocolError(
            f"The worker with pid {hello.pid} speaks protocol {hello.version} (flasktop {hello.flasktop}), "
            f"{older} than this one's {PROTOCOL_VERSION}.",
            f"Update flasktop where the {where} runs.",
        )
