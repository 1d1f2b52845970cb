"""Turns: one at a time, the loop free in between, and everybody's newest before anybody's older."""

from __future__ import annotations

import asyncio

import pytest

from flasktop.client import turns
from flasktop.client.turns import Turns
from tests.client.fakes import asynchronous


@asynchronous
async def test_others_run_between_two_turns() -> None:
    """A key press waits for one batch, not for all that wait."""
    shared, order = Turns(), list[str]()

    def press() -> None:
        order.append("key")

    async def say(word: str) -> None:
        await shared.take(lambda: order.append(word))

    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(press))
    await asyncio.gather(say("first"), say("second"), say("third"))

    assert order.index("key") < order.index("third")


@asynchronous
async def test_turns_are_taken_in_the_order_in_which_they_were_asked_for() -> None:
    shared, order = Turns(), list[int]()
    await asyncio.gather(*(shared.take(lambda number=number: order.append(number)) for number in range(5)))  # type: ignore[misc]

    assert order == [0, 1, 2, 3, 4]


@asynchronous
async def test_older_history_waits_for_the_newest_of_all() -> None:
    shared = Turns()
    for link in ("one", "other"):
        shared.behind(link)
    shared.caught_up("one")
    waiting = asyncio.create_task(shared.together())
    await asyncio.sleep(0)
    waited = not waiting.done()
    shared.caught_up("other")
    await waiting

    assert waited


@asynchronous
async def test_nobody_waits_where_all_have_caught_up() -> None:
    shared = Turns()
    shared.behind("one")
    shared.caught_up("one")
    waiting = asyncio.create_task(shared.together())
    await asyncio.sleep(0)

    assert waiting.done()


@asynchronous
async def test_a_worker_that_never_catches_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TOGETHER_S", 0.01)
    shared = Turns()
    shared.behind("stopped")

    await shared.together()
