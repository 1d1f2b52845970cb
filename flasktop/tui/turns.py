"""Keys go first: long work is done in short turns, and none of them begins while a key press is being answered."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from flasktop.steps import DONE, Steps

TURN_S: Final = 0.005
"""Work that takes longer than this in one go is felt, together with what answering a key press takes itself."""

ANSWER_S: Final = 0.05
"""Within so long a key press is answered: it goes through several rounds of the event loop, and the screen is drawn at
most sixty times a second. Meanwhile the way is its own."""

BREATH_S: Final = 0.02
"""Then the way is free for so long at least, also for who holds a key down."""

ROUNDS: Final = 4
"""So many rounds of the event loop it takes at most from a key's being read to ``RightOfWay.pressed``."""


class RightOfWay:
    """``free`` is cleared while a key press is being answered, for all others to wait for."""

    def __init__(self, free: asyncio.Event) -> None:
        self._free = free
        self._since = float("-inf")

    def pressed(self) -> None:
        """A key was pressed."""
        loop = asyncio.get_running_loop()
        if self._free.is_set() and loop.time() - self._since >= BREATH_S:
            self._free.clear()
            loop.call_later(ANSWER_S, self._answered)

    async def free(self) -> None:
        """Give way to whatever waits, and to a key press until it is answered; one that was read meanwhile is known as
        such only after some rounds of the event loop."""
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
        await self._free.wait()

    def _answered(self) -> None:
        self._since = asyncio.get_running_loop().time()
        self._free.set()


async def in_turns(steps: Steps[None], way: RightOfWay) -> None:
    """Go through all steps while the ``way`` is free. A step that takes longer than a turn is a turn."""
    await way.free()
    while not _turn(steps):
        await way.free()


def _turn(steps: Steps[None]) -> bool:
    """Go on for one turn, a step at least; whether the work is finished."""
    until = time.perf_counter() + TURN_S
    while next(steps, DONE) is not DONE:
        if time.perf_counter() >= until:
            return False
    return True
