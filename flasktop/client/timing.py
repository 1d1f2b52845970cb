"""Waiting for something, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns, or cancel it after ``seconds``.

    Not ``asyncio.wait_for``: before Python 3.12 that one swallows the cancellation of its caller when the work is
    done in the same moment, and whoever cancelled then waits for ever.

    Raises:
        asyncio.TimeoutError: it took longer.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])  # a stream must not be read again before it knows
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.cancelled():
        raise asyncio.TimeoutError
    return task.result()
