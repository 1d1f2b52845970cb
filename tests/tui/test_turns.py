"""Keys go first."""

from __future__ import annotations

import asyncio

import pytest

from flasktop.steps import Steps
from flasktop.tui import turns
from flasktop.tui.turns import RightOfWay, in_turns


def counting(to: int, seen: list[int]) -> Steps[None]:
    for number in range(to):
        seen.append(number)
        yield


@pytest.fixture
def free() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def test_work_goes_on_to_its_end(free: asyncio.Event) -> None:
    seen: list[int] = []

    asyncio.run(in_turns(counting(5, seen), RightOfWay(free)))

    assert seen == [0, 1, 2, 3, 4]


def test_no_turn_begins_while_a_key_press_is_answered(free: asyncio.Event) -> None:
    seen: list[int] = []

    async def act() -> None:
        way = RightOfWay(free)
        way.pressed()
        work = asyncio.ensure_future(in_turns(counting(1, seen), way))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not seen
        await work

    asyncio.run(act())

    assert seen == [0]


def test_a_key_pressed_between_two_turns_goes_before_the_next(
    free: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_S", 0.0)  # each step is a turn
    order: list[str] = []

    def work() -> Steps[None]:
        for _ in range(2):
            order.append("work")
            yield

    async def act() -> None:
        way = RightOfWay(free)
        task = asyncio.ensure_future(in_turns(work(), way))
        while not order:
            await asyncio.sleep(0)
        way.pressed()
        asyncio.get_running_loop().call_soon(order.append, "key")
        await task

    asyncio.run(act())

    assert order == ["work", "key", "work"]


def test_who_holds_a_key_down_leaves_the_way_free_in_between(free: asyncio.Event) -> None:
    async def act() -> None:
        way = RightOfWay(free)
        way.pressed()
        await way.free()
        way.pressed()
        assert free.is_set()

    asyncio.run(act())
