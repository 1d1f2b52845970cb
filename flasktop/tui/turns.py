"""Long work in short turns: between two of them the keys that were pressed meanwhile are answered."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from flasktop.steps import DONE, Steps

TURN_S: Final = 0.008
"""Work that takes longer than this in one go is felt, together with what answering a key press takes itself."""

PAUSE_S: Final = 0.004
"""Answering a key takes several rounds of the event loop, one after the other: a pause lets all of them pass, where
giving way for a single round would put a turn of work between each two."""


def turn(steps: Steps[None]) -> bool:
    """Go on for one turn; whether the work is finished. A step that takes longer than a turn is a turn."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < TURN_S:
        if next(steps, DONE) is DONE:
            return True
    return False


async def in_turns(steps: Steps[None]) -> None:
    """Go on to the end, with pauses."""
    while not turn(steps):
        await asyncio.sleep(PAUSE_S)
