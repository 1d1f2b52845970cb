"""One reader of a worker: its connection, its place in the journal, and what it is sent next."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from flasktop.agent.journal import Journal
from flasktop.protocol.codec import decoder_for_worker, encode
from flasktop.protocol.messages import Caught, Subscribe, Totals

DEFINITIONS_CHUNK: Final = 256 * 1024
"""Bytes of definitions sent at a time."""


class Reader:
    """One connection.

    ``back`` is the next older frame to send (-1: no backfill), ``out`` what is being sent, ``replies`` what commands
    have to say to it (``replies_bytes`` in all), ``caught`` whether the history asked for has gone out, ``pid`` whose
    it is (0: not known).
    """

    def __init__(self, connection: Any, now: float) -> None:
        self.connection = connection
        self.descriptor: int = connection.fileno()
        self.decoder = decoder_for_worker()
        self.out = memoryview(b"")
        self.replies: deque[bytes] = deque()
        self.replies_bytes = 0
        self.subscribed = False
        self.since = now
        self.progress = now
        self.back = -1
        self.caught = False
        self.pid = 0
        self._definitions = 0
        self._split = False  # True while only a part of a definition has been sent: nothing may come in between
        self._greetings: list[bytes] = []
        self._cursor = 0
        self._caught_at = 0
        self._next_number = 0

    def follow(self, wish: Subscribe, journal: Journal, totals: list[Totals], next_number: int) -> None:
        """Begin where the reader wants to; ``next_number`` is that of the first trace it has a right to."""
        self.subscribed = True
        self._next_number = next_number
        self._cursor = journal.first_since(time.perf_counter() - max(wish.history_s, 0.0))
        self.back = self._cursor - 1 if wish.backfill else -1
        self._caught_at = journal.next_seq
        self._greetings = [encode(part) for part in reversed(totals)]

    def put(self, data: bytes) -> None:
        """Send ``data`` after what waits already."""
        self.out = memoryview(bytes(self.out) + data) if self.out else memoryview(data)

    def reply(self, data: bytes) -> None:
        """Send ``data`` when its turn comes."""
        self.replies.append(data)
        self.replies_bytes += len(data)

    def fill(self, journal: Journal) -> None:
        """Give a reader whose buffer is empty its next piece."""
        if self.out:
            return
        if self.replies and not self._split:
            reply = self.replies.popleft()
            self.replies_bytes -= len(reply)
            self.put(reply)
        elif self.subscribed:
            self._fill_from(journal)

    def _fill_from(self, journal: Journal) -> None:
        if self._definitions < journal.definitions_length:
            # First, so that whatever comes next names nothing unknown; in pieces, which may end within a message.
            piece = journal.definitions_since(self._definitions, DEFINITIONS_CHUNK)
            self._definitions += len(piece)
            self._split = self._definitions < journal.definitions_length
            self.put(piece)
            return
        if self._greetings:
            self.put(self._greetings.pop())
            return
        if not self.caught and self._cursor >= self._caught_at:
            self.caught = True
            self.put(encode(Caught(self._next_number, journal.history_from)))
            return
        oldest = journal.oldest_seq
        self._cursor = max(self._cursor, oldest)
        if self._cursor < journal.next_seq:
            self.put(journal.frame(self._cursor))
            self._cursor += 1
        elif self.back >= oldest:
            self.put(journal.frame(self.back))
            self.back -= 1
