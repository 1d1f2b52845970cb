"""Asking a worker that is busy again, for a while: of most commands it carries out one at a time, whoever asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from flasktop.client.ask import CommandFailedError
from flasktop.protocol.commands import BUSY

A = TypeVar("A")

AGAIN_S: Final = 0.4
"""A worker that is busy is asked again after so long."""


async def patiently(ask: Callable[[], Awaitable[A]], patience_s: float, on_busy: Callable[[], None] | None = None) -> A:
    """What ``ask`` returns; it is called again as long as the worker is busy, for ``patience_s`` at most.

    ``on_busy`` is told each time that it will be.

    Raises:
        FlasktopError: as ``ask``.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return await ask()
        except CommandFailedError as error:
            if error.reason != BUSY or time.monotonic() >= until:
                raise
        if on_busy is not None:
            on_busy()
        await asyncio.sleep(AGAIN_S)
