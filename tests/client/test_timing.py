"""Waiting, but not for ever."""

from __future__ import annotations

import asyncio

import pytest

from flasktop.client.timing import within
from tests.client.fakes import asynchronous


@asynchronous
async def test_a_result_in_time_is_returned() -> None:
    """What the work returns or raises comes through."""

    async def fail() -> None:
        raise LookupError

    assert await within(5, asyncio.sleep(0, "done")) == "done"
    with pytest.raises(LookupError):
        await within(5, fail())


@asynchronous
async def test_late_work_is_cancelled() -> None:
    """And it has ended when the time-out is raised."""
    ended = asyncio.Event()

    async def late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(asyncio.TimeoutError):
        await within(0.01, late())
    assert ended.is_set()


@asynchronous
async def test_a_cancellation_is_never_swallowed() -> None:
    """Also when the work is done in the same moment."""
    event = asyncio.Event()

    async def waiting() -> None:
        while True:
            await within(60, event.wait())
            event.clear()

    for _ in range(20):
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0.001)
        event.set()
        for _ in range(2):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=60)

        assert task.cancelled()


@asynchronous
async def test_cancelling_cancels_the_work() -> None:
    """Nothing is left behind."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    task = asyncio.create_task(within(60, work()))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert ended.is_set()
