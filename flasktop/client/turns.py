"""Whose messages are taken in next, where many workers have much to say.

One at a turn of the event loop, which is free for keys and pictures in between; and the newest history of all workers
before the older history of any, since that is what the first picture shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from flasktop.client.timing import within

TOGETHER_S: Final = 1.0
"""For so long at most a worker's older history waits for the newest of others: one of them may be stopped."""


class Turns:
    """Shared by the links of one watcher. ``lock`` is held by the link whose messages are taken in; ``way`` is cleared
    while something in this event loop goes first, as the answer to a key press."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.way = asyncio.Event()
        self.way.set()
        self._behind: set[object] = set()
        self._together = asyncio.Event()
        self._together.set()

    async def take(self, emit: Callable[[], None]) -> None:
        """Run ``emit`` when its turn has come, and let the loop do other things after it."""
        async with self.lock:
            await self.way.wait()
            emit()
            await asyncio.sleep(0)

    def behind(self, link: object) -> None:
        """The newest history of a worker is still to come."""
        self._behind.add(link)
        self._together.clear()

    def caught_up(self, link: object) -> None:
        """It has come, or will not come any more."""
        self._behind.discard(link)
        if not self._behind:
            self._together.set()

    async def together(self) -> None:
        """Wait until nobody is behind, for ``TOGETHER_S`` at most."""
        if self._behind:
            try:
                await within(TOGETHER_S, self._together.wait())
            except asyncio.TimeoutError:
                return
