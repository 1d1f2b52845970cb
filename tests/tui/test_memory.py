"""The live tier on the screen: what memory does, objects by type, allocation sites."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flasktop.client.ask import CommandFailedError, OnWorking
from flasktop.protocol.commands import BUSY, IMPOSSIBLE, Command, Working
from flasktop.protocol.commands.heap import TakeHeap
from flasktop.protocol.commands.memory import AllocationSites, CountTypes, TraceAllocations
from flasktop.protocol.events import Event, Framed, WorkerId
from flasktop.stats.memory_views import EndpointGrowth, GcGeneration, MemoryRow
from flasktop.stats.views import EndpointKey
from flasktop.tui.detail.allocations import SiteScreen
from flasktop.tui.detail.types import TypesScreen
from flasktop.tui.draw.palette import NO_COLOR_PALETTE
from flasktop.tui.panels.memory_preview import memory_preview, verdict
from tests.tui.memory import Live, remembering
from tests.tui.shop import Feeding, Shop
from tests.tui.stage import Stage, check_snapshot, play

SIZES = ((80, 24), (120, 40), (200, 60))
ROW = MemoryRow(
    worker=WorkerId(7, 1), state="live", rss_bytes=200_000_000, uss_bytes=None, pss_bytes=None, full_age_s=None,
    blocks=1_000_000, rss_trend=(1e8, 2e8), uss_trend=(), pss_trend=(), blocks_trend=(), gc_share_trend=(),
    rss_slope=0.0, uss_slope=None, pss_slope=None, blocks_slope=0.0, gc=(), gc_share=None, growth=(),
)  # fmt: skip


class Remembering(Shop):
    """The shop with workers that say what their memory does."""

    def _frame(self, worker: Any, index: int, share: Any, second: int) -> Event:
        event = super()._frame(worker, index, share, second)
        assert isinstance(event, Framed) and event.frame.sample is not None
        sample = remembering(event.frame.sample, second, index)
        return dataclasses.replace(event, frame=msgspec.structs.replace(event.frame, sample=sample))


def watch(act: Callable[[Stage], Awaitable[None]], *, size: tuple[int, int] = (120, 40), **answers: Any) -> None:
    """Play on the Heap panel of a worker that answers as ``Live``, or as told."""
    source = Feeding()
    source.answers.update(Live().answers())
    for name, answer in answers.items():
        source.answers[{"types": CountTypes, "sites": TraceAllocations, "heap": TakeHeap}[name]] = answer

    async def on_heap(stage: Stage) -> None:
        await stage.press("5")
        await act(stage)

    play(on_heap, size=size, source=source, shop=Remembering(), history=40)


def plain(row: MemoryRow, width: int = 120, height: int = 12) -> str:
    return "\n".join(text.plain for text in memory_preview(row, width, height, NO_COLOR_PALETTE))


def growth(route: str, blocks: float | None, why: str = "", intervals: int = 10) -> EndpointGrowth:
    return EndpointGrowth(EndpointKey("shop", "POST", route), blocks, None, intervals, 10 * intervals, why)


# The preview


@pytest.mark.parametrize("size", SIZES)
def test_the_heap_panel_says_what_memory_does(size: tuple[int, int]) -> None:
    async def act(stage: Stage) -> None:
        if size[1] >= 30:
            assert "Python's objects grow, and RSS with them." in stage.text()
            assert "2 full" in stage.text() and "A request leaves behind" in stage.text()
        check_snapshot(stage, f"memory-{size[0]}x{size[1]}")

    watch(act, size=size)


@pytest.mark.parametrize(
    ("rss", "blocks", "said"),
    [
        (None, None, "What grows is told after half a minute"),
        (0.0, 0.0, "Nothing grows."),
        (9e6, 4e5, "Python's objects grow, and RSS with them."),
        (9e6, 0.0, "RSS grows, Python's blocks do not"),
        (9e6, None, "RSS grows."),
        (0.0, 4e5, "Python's objects grow, RSS does not yet"),
    ],
)
def test_what_grows_is_said_in_words(rss: float | None, blocks: float | None, said: str) -> None:
    row = dataclasses.replace(ROW, rss_slope=rss, blocks_slope=blocks)

    assert verdict(row, NO_COLOR_PALETTE).plain.startswith(said)


def test_what_is_not_known_is_said_not_to_be() -> None:
    told = plain(dataclasses.replace(ROW, rss_bytes=None, blocks=None, rss_trend=()))

    assert "RSS –" in told and "USS –" in told and "blocks –" in told
    assert "not told by generation" in told and "no requests yet" in told


def test_growth_of_a_request_is_told_or_said_not_to_be() -> None:
    grown = (
        growth("/quotes", 412.0, "no full collection yet: garbage may be among it"), growth("/orders", 0.0),
        growth("/uneven", None, "uneven: from −4 to +90 blocks a request"),
        growth("/a", None, "other work ran beside it in 9 of 9 intervals", 0),
        growth("/b", None, "other work ran beside it in 8 of 8 intervals", 0),
    )  # fmt: skip
    told = plain(dataclasses.replace(ROW, growth=grown), 220, 14)

    assert "412  POST /quotes  blocks  100 requests in 10 intervals alone; no full collection yet" in told
    assert "nothing  POST /orders" in told
    assert "POST /uneven  uneven: from" in told
    assert "2 endpoints: other work ran beside them each time" in told


@pytest.mark.parametrize("width", [20, 60, 90, 200])
@pytest.mark.parametrize("height", [0, 1, 3, 9, 15])
def test_a_preview_fits_whatever_it_is_given(width: int, height: int) -> None:
    gc = tuple(GcGeneration(i, 10**9, 1e6, 1e7, 0.5) for i in range(3))
    grown = tuple(growth(f"/{'long' * 40}{i}", 1e9 - i) for i in range(50))
    row = dataclasses.replace(ROW, gc=gc, gc_share=0.9, growth=grown, uss_bytes=10**12, pss_bytes=10**12)
    lines = memory_preview(row, width, height, NO_COLOR_PALETTE)

    assert len(lines) <= height
    assert all(line.cell_len <= width for line in lines)


# Objects by type


@pytest.mark.parametrize("size", SIZES)
def test_objects_are_counted_when_asked_for_and_compared_with_the_first_count(size: tuple[int, int]) -> None:
    async def act(stage: Stage) -> None:
        assert not [command for _, command in stage.source.asked if isinstance(command, CountTypes)]
        await stage.press("o")
        await stage.refresh(1)
        assert isinstance(stage.app.screen, TypesScreen)
        assert "shop.views.quotes.QuoteLine" in stage.text() and "grown" not in stage.text()
        await stage.press("o")
        await stage.refresh(1)
        assert "+12,800" in stage.text() and "+80,000" in stage.text()
        check_snapshot(stage, f"types-{size[0]}x{size[1]}")

    watch(act, size=size)


def test_objects_are_counted_again_only_where_that_is_switched_on() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("o")
        for _ in range(5):
            await stage.refresh(10)
        assert len(stage.source.asked) == 1
        await stage.press("a")
        await stage.refresh(1)
        asked = len(stage.source.asked)
        for _ in range(10):
            await stage.refresh(1)
        assert len(stage.source.asked) == asked + 1
        await stage.press("space")
        await stage.refresh(30)
        assert len(stage.source.asked) == asked + 1
        await stage.press("a", "space")
        await stage.refresh(30)
        assert len(stage.source.asked) == asked + 1

    watch(act)


def test_growth_can_be_counted_from_here_on() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("o", "o")
        assert "+12,800" in stage.text()
        await stage.press("m")
        assert "+12,800" not in stage.text()

    watch(act)


def test_a_refusal_is_shown_in_its_words() -> None:
    refused = CommandFailedError(
        "Listing 1,200,000 objects would stop the app for about 38 ms; 5 ms is the limit.", "Take a heap instead (h).",
        IMPOSSIBLE,
    )  # fmt: skip

    async def act(stage: Stage) -> None:
        await stage.press("o")
        assert "would stop the app for about 38 ms" in stage.text()
        assert "Take a heap instead (h)." in stage.text()
        check_snapshot(stage, "types-refused-120x40")
        await stage.press("h")
        assert stage.on_main and stage.source.asked[-1][1] == TakeHeap()

    watch(act, types=refused, heap=refused)


# Allocation sites


@pytest.mark.parametrize("size", SIZES)
def test_what_tracing_costs_is_said_before_it_begins(size: tuple[int, int]) -> None:
    async def act(stage: Stage) -> None:
        await stage.press("t")
        assert "Trace the allocations of worker 4119 for 10 s?" in stage.text()
        assert "2 to 3" in stage.text() and "times as long" in stage.text()
        check_snapshot(stage, f"allocations-cost-{size[0]}x{size[1]}")
        await stage.press("right", "right")
        assert "for 60 s?" in stage.text()
        assert stage.source.asked == []
        await stage.press("escape")
        assert stage.on_main and stage.source.asked == []

    watch(act, size=size)


@pytest.mark.parametrize("size", SIZES)
def test_lines_that_grew_are_shown_with_their_source(size: tuple[int, int], tmp_path: Path) -> None:
    views = tmp_path / "views"
    views.mkdir()
    (views / "quotes.py").write_text("\n".join(f"line_{number} = {number}" for number in range(1, 80)))
    live = Live(str(tmp_path))

    async def act(stage: Stage) -> None:
        await stage.press("t", "enter")
        ((_, command),) = stage.source.asked
        assert command == TraceAllocations(10.0)
        assert "line_66 = 66" in stage.text() and "+14.5 MB per 1,000 requests" in stage.text()
        assert "flasktop's own +14.2 kB left out" in stage.text()
        await stage.press("enter")
        assert type(stage.app.screen) is SiteScreen
        assert "▶ 66 │ line_66 = 66" in stage.text()
        await stage.press("n")
        assert "▶ 65 │ line_65 = 65" in stage.text()
        await stage.press("escape")
        assert "source line" in stage.text() and not stage.on_main

    watch(act, size=size, sites=live.trace)


@pytest.mark.parametrize("size", SIZES)
def test_allocation_sites_as_a_picture(size: tuple[int, int]) -> None:
    async def act(stage: Stage) -> None:
        await stage.press("t", "enter")
        check_snapshot(stage, f"allocations-{size[0]}x{size[1]}")

    watch(act, size=size)


def test_sites_are_copied_whole() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("t", "enter", "y")
        copied = stage.app.clipboard.split("\n")

        assert copied[0] == "1829120\t16080\t/srv/shop/views/quotes.py:66" and len(copied) == 5

    watch(act)


def test_tracing_shows_how_far_it_is_and_ends_when_the_screen_is_left() -> None:
    ended: list[bool] = []

    async def slow(worker: WorkerId, command: Command, told: OnWorking | None) -> AllocationSites:
        assert told is not None
        told(Working(1, "tracing allocations", 1.0, 10.0))
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        raise AssertionError

    async def act(stage: Stage) -> None:
        await stage.press("t", "enter")
        stage.clock.now += 3
        await stage.until(lambda: "tracing allocations, 3.0 s of ~10s" in stage.text())
        await stage.press("t")
        assert len(stage.source.asked) == 1 and "esc stops the tracing" in stage.text()
        await stage.press("escape")
        await stage.until(lambda: bool(ended))

    watch(act, sites=slow)


def test_why_tracing_is_refused_is_shown() -> None:
    refused = CommandFailedError("The app traces its allocations itself (tracemalloc is on).", "Stop it there.", BUSY)

    async def act(stage: Stage) -> None:
        await stage.press("t", "enter")
        assert "The app traces its allocations itself" in stage.text() and "Stop it there." in stage.text()
        await stage.press("t")
        assert "Trace the allocations of worker" in stage.text()

    watch(act, sites=refused)


def test_a_worker_that_has_ended_is_not_asked() -> None:
    async def act(stage: Stage) -> None:
        stage.source.give(stage.shop.death())
        await stage.refresh(1)
        await stage.press("o")
        assert "The worker has ended" in stage.text() and stage.source.asked == []

    watch(act)
