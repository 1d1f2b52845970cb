"""The Heap panel and the screens of a heap, driven as a person drives them."""

from __future__ import annotations

import os
from typing import Any

import pytest
from rich.cells import cell_len

from flasktop.client.ask import CommandFailedError
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.heap import HeapPaths, HeapRow, TakeHeap, WalkHeap
from flasktop.protocol.events import WorkerId
from flasktop.tui.detail.heap import HeapScreen
from flasktop.tui.detail.heap_set import HeapSetScreen
from flasktop.tui.detail.heap_table import HeapTable
from flasktop.tui.panels.heap import HeapPanel
from flasktop.tui.screens.confirm import ConfirmScreen
from tests.tui.heap import QUOTE, UNSEEN, Heap, Slow, cannot_fork, refused
from tests.tui.shop import Feeding
from tests.tui.stage import Stage, check_snapshot, play

SIZES = ((80, 24), (120, 40), (200, 60))
GLOBAL = "shop.views.quotes.QUOTES"


def feeding(heap: Heap | None = None, **answers: Any) -> Feeding:
    """A source whose workers have an invented heap."""
    source = Feeding()
    source.answers = (heap or Heap()).answers()
    return source


def top(stage: Stage) -> HeapTable:
    assert isinstance(stage.app.screen, HeapTable)
    return stage.app.screen


def rows(stage: Stage) -> list[str]:
    """The names of the rows shown, from the top."""
    return [key[1][0] for key in top(stage).page.keys("rows")]  # type: ignore[index]


def worker(stage: Stage, index: int = 0) -> WorkerId:
    return stage.shop.workers[index].id


async def taken(stage: Stage, times: int = 1) -> None:
    """Open the first worker's heap and take it ``times`` times."""
    await stage.press("5", "enter")
    for i in range(times):
        await stage.press("h")
        await stage.until(lambda made=i + 1: len(stage.app.heaps.heaps.takes(worker(stage))) == made)  # type: ignore[misc]
        await stage.refresh(1.5)


async def held(stage: Stage) -> None:
    """Wait until it is known who holds the selected row."""
    await stage.until(lambda: top(stage).selected is not None and top(stage).held(top(stage).selected) is not None)  # type: ignore[arg-type]
    await stage.pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_from_rss_grows_in_processes_to_the_name_of_the_global(size: tuple[int, int]) -> None:
    """The way that the panel is there for, with the keyboard alone."""

    async def act(stage: Stage) -> None:
        await stage.press("4")
        assert "+45.3 MB" in stage.text()
        if size[1] >= 30:
            assert "h takes its heap" in stage.text()

        await stage.press("h")
        await stage.until(lambda: stage.app.heaps.heaps.newest(worker(stage)) is not None)
        await stage.press("h")
        await stage.until(lambda: len(stage.app.heaps.heaps.takes(worker(stage))) == 2)
        await stage.refresh(2)
        await held(stage)

        assert rows(stage)[0] == "shop.views.quotes.QuoteLine"
        assert f"reachable only through {GLOBAL}" in " ".join(stage.text().split())
        assert "└─ QUOTES" in stage.text()

        await stage.press("escape")
        assert isinstance(stage.panel, HeapPanel)
        assert stage.panel.table.selected_key == worker(stage)

    play(act, size=size, source=feeding(), history=60)


@pytest.mark.parametrize("size", SIZES)
def test_the_screens_look_as_they_should(size: tuple[int, int]) -> None:
    """The panel, a heap beside its mark, and a set in it, cell by cell."""

    async def act(stage: Stage) -> None:
        await taken(stage, 2)
        await held(stage)
        check_snapshot(stage, f"heap-of-worker-{size[0]}x{size[1]}")

        await stage.press("j", "enter")
        await stage.until(lambda: bool(rows(stage)))
        await held(stage)
        check_snapshot(stage, f"heap-set-{size[0]}x{size[1]}")

        await stage.press("escape", "escape")
        await stage.refresh()
        check_snapshot(stage, f"heap-taken-{size[0]}x{size[1]}")

    play(act, size=size, source=feeding(), history=60)


@pytest.mark.parametrize("size", SIZES)
def test_the_screen_says_what_the_heap_cannot_show(size: tuple[int, int]) -> None:
    """Above the rows, or where there is no room for it, after the last of them."""

    async def act(stage: Stage) -> None:
        await taken(stage, 1)
        await stage.until(lambda: bool(rows(stage)))
        await stage.press("G")
        assert f"not in it: {UNSEEN[0]}" in " ".join(stage.text().split())

    play(act, size=size, source=feeding(), history=60)


def test_before_the_first_take_it_says_what_one_costs() -> None:
    """No figure is promised that nobody measured."""

    async def act(stage: Stage) -> None:
        await stage.press("5")
        assert "No heap taken yet. h takes one: the app stands still for a few milliseconds" in stage.text()
        await stage.press("enter")
        assert "No heap taken yet." in stage.text()
        assert "measured and shown" in stage.text()

    play(act, source=feeding())


def test_a_take_says_how_far_it_is_and_a_second_h_stops_it() -> None:
    """The worker hears of it, and nothing is kept."""

    async def act(stage: Stage) -> None:
        slow = Slow(Heap().take)
        stage.source.answers[TakeHeap] = slow.answer()
        await stage.press("5", "h")
        await stage.until(lambda: "counting objects" in stage.text())
        await stage.refresh(1.5)
        assert "counting objects, 1.5 s of ~3.0 s" in stage.text()

        await stage.press("h")
        await stage.until(lambda: slow.cancelled == 1)
        await stage.refresh()
        assert "counting objects" not in stage.text()
        assert stage.app.heaps.heaps.takes(worker(stage)) == ()

    play(act, source=feeding())


def test_a_key_held_too_long_stops_nothing() -> None:
    """A second h within a second is no wish."""

    async def act(stage: Stage) -> None:
        slow = Slow(Heap().take)
        stage.source.answers[TakeHeap] = slow.answer()
        await stage.press("5", "h", "h", "h")
        assert stage.app.heaps.underway(worker(stage)) is not None
        assert len(stage.source.asked) == 1

    play(act, source=feeding())


def test_several_workers_at_once_and_they_run_on_while_one_looks_elsewhere() -> None:
    """One take each."""

    async def act(stage: Stage) -> None:
        slow = Slow(Heap().take)
        stage.source.answers[TakeHeap] = slow.answer()
        await stage.press("5", "h", "j", "h")
        assert {who for who, _ in stage.source.asked} == {worker(stage, 0), worker(stage, 1)}

        await stage.press("1", "enter")
        slow.gate.set()
        await stage.until(lambda: stage.app.heaps.heaps.newest(worker(stage, 1)) is not None)
        await stage.press("escape", "5")
        assert stage.text().count("11 ms") >= 2

    play(act, source=feeding())


def test_a_refusal_says_why_and_what_to_do() -> None:
    """In the panel and on the screen, until the next take."""

    async def act(stage: Stage) -> None:
        stage.source.answers[TakeHeap] = refused
        await stage.press("5", "h")
        await stage.until(lambda: "does not allow" in stage.text())
        assert "FLASKTOP_GRANTS leaves heap out" in stage.text()
        await stage.press("enter")
        assert "does not allow its heap to be taken" in stage.text()

        stage.source.answers[TakeHeap] = Heap().take
        await stage.press("h")
        await stage.until(lambda: "888,397" in stage.text() or "832,077" in stage.text())
        assert "does not allow" not in stage.text()

    play(act, source=feeding())


def test_in_process_only_after_a_question_that_says_what_it_means() -> None:
    """Esc leaves it, y does it, and nothing is asked of it then."""

    async def act(stage: Stage) -> None:
        stage.source.answers[TakeHeap] = cannot_fork(Heap())
        await stage.press("5", "enter", "h")
        await stage.until(lambda: "cannot be copied safely" in stage.text())
        assert "h asks for that" in " ".join(stage.text().split())

        await stage.press("h")
        assert isinstance(stage.app.screen, ConfirmScreen)
        assert "stands still for about 2.1 s" in " ".join(stage.text().split())
        await stage.press("escape")
        assert asked(stage) == [False]

        await stage.press("h", "y")
        await stage.until(lambda: stage.app.heaps.heaps.newest(worker(stage)) is not None)
        assert asked(stage) == [False, True]

    def asked(stage: Stage) -> list[bool]:
        return [command.in_process for _, command in stage.source.asked if isinstance(command, TakeHeap)]

    play(act, source=feeding())


def test_a_take_in_process_cannot_be_looked_into() -> None:
    """There is no frozen copy."""

    async def act(stage: Stage) -> None:
        heap = Heap()
        stage.source.answers[TakeHeap] = lambda who, command: _without_copy(heap.take(who, command))
        await taken(stage)
        assert "there is no frozen copy" in stage.text()
        await stage.press("enter")
        assert isinstance(stage.app.screen, HeapScreen)
        assert not any(isinstance(command, (WalkHeap, HeapPaths)) for _, command in stage.source.asked)

    def _without_copy(made: Any) -> Any:
        import msgspec

        return msgspec.structs.replace(made, take=-1)

    play(act, source=feeding())


def test_growth_is_told_against_the_mark() -> None:
    """By objects, by bytes and per 1,000 requests, what grew most on top."""

    async def act(stage: Stage) -> None:
        await taken(stage)
        assert "GROWN" not in stage.text()
        await stage.press("m")
        assert "✓ marked" in stage.text()
        for _ in range(2):
            await stage.press("h")
            await stage.refresh(1.5)
        await stage.until(lambda: len(stage.app.heaps.heaps.takes(worker(stage))) == 3)
        await stage.refresh()

        assert "compared with 09:15:20 (+102,420 requests)" in stage.text()
        line = next(line for line in stage.lines() if "quotes.QuoteLine" in line)
        assert "+102,400" in line and "+5.7 MB" in line and "+1,000" in line
        assert rows(stage)[0] == "shop.views.quotes.QuoteLine"

        await stage.press("s")
        assert "GROWN▼" in stage.text()
        await stage.press("S", "S", "S")
        assert "SIZE▼" in stage.text() and rows(stage)[0] == "str"
        await stage.press("r")
        assert "SIZE▲" in stage.text()

    play(act, source=feeding())


def test_m_without_a_take_takes_one_and_marks_it() -> None:
    """Mark now, compare later."""

    async def act(stage: Stage) -> None:
        await stage.press("5", "m")
        await stage.until(lambda: stage.app.heaps.heaps.marked(worker(stage)) is not None)
        await stage.refresh()
        assert "✓ marked 09:15:20" in stage.text()
        await stage.press("m")
        assert "✓ marked" not in stage.text()

    play(act, source=feeding())


def test_it_is_compared_by_module_and_by_referrers_too() -> None:
    """Both are asked for after each take, by themselves."""

    async def act(stage: Stage) -> None:
        await taken(stage)
        await stage.until(lambda: len(_newest(stage).divisions) == 3)
        await stage.press("h")
        await stage.until(lambda: len(stage.app.heaps.heaps.takes(worker(stage))) == 2)
        await stage.until(lambda: len(_newest(stage).divisions) == 3)
        for title in ("MODULE OF THE CLASS", "REFERRED TO BY"):
            await stage.press("b")
            assert title in stage.text()
            assert "GROWN BY▼" in stage.text()
        await stage.press("b")
        await stage.until(lambda: bool(rows(stage)))
        assert "DICT OF" in stage.text() and "GROWN" not in stage.text()

    def _newest(stage: Stage) -> Any:
        return stage.app.heaps.heaps.newest(worker(stage))

    play(act, source=feeding())


def test_deeper_and_back_to_the_same_row() -> None:
    """The way stands above, and each step is asked for as a step from the whole."""

    async def act(stage: Stage) -> None:
        await taken(stage)
        await stage.press("j", "j")
        came_from = top(stage).page.selected
        await stage.press("enter")
        await stage.until(lambda: bool(rows(stage)))
        assert isinstance(stage.app.screen, HeapSetScreen)
        assert f"Heap › worker {worker(stage).pid} › list › by referrers" in stage.text()

        await stage.press("b", "b", "b")
        await stage.until(lambda: "list, 620 B" in stage.text())
        assert "by object" in stage.text()
        await stage.press("enter")
        assert "list, 620 B" in stage.text()
        await held(stage)

        await stage.press("escape")
        assert isinstance(stage.app.screen, HeapScreen)
        assert top(stage).page.selected == came_from

    play(act, source=feeding())


def test_few_objects_are_shown_one_by_one() -> None:
    """A step less."""

    async def act(stage: Stage) -> None:
        heap = Heap()
        stage.source.answers[TakeHeap] = lambda who, command: _small(heap.take(who, command))
        await taken(stage)
        await stage.press("enter")
        assert top(stage).by == "object"

    def _small(made: Any) -> Any:
        import msgspec

        return msgspec.structs.replace(made, by_type=(HeapRow(0, "shop.Cache", 3, 900),))

    play(act, source=feeding())


def test_moving_on_ends_the_search_for_the_holder() -> None:
    """It is asked when the cursor rests, and given up when it moves."""

    async def act(stage: Stage) -> None:
        heap = Heap()
        slow = Slow(heap.paths)
        stage.source.answers = {**heap.answers(), HeapPaths: slow.answer()}
        await taken(stage)
        await stage.until(lambda: _asked(stage) == 1)
        await stage.until(lambda: "counting objects" in stage.text())
        await stage.press("j")
        await stage.until(lambda: slow.cancelled == 1)
        await stage.until(lambda: _asked(stage) == 2)
        await stage.press("escape")
        await stage.until(lambda: slow.cancelled == 2)

    def _asked(stage: Stage) -> int:
        return sum(isinstance(command, HeapPaths) for _, command in stage.source.asked)

    play(act, source=feeding())


def test_a_persons_question_goes_before_what_is_asked_for_comparing() -> None:
    """That is given up, and asked again when it is quiet."""

    async def act(stage: Stage) -> None:
        heap = Heap()
        slow = Slow(heap.walk)
        stage.source.answers = {**heap.answers(), WalkHeap: slow.answer()}
        await taken(stage)
        await stage.until(lambda: sum(isinstance(command, WalkHeap) for _, command in stage.source.asked) == 1)
        await stage.press("j")
        await stage.until(lambda: slow.cancelled == 1)
        await held(stage)

        slow.gate.set()
        newest = stage.app.heaps.heaps.newest
        await stage.until(lambda: set(newest(worker(stage)).divisions) == {"type", "module", "referrers"})  # type: ignore[union-attr]

    play(act, source=feeding())


def test_a_copy_that_is_gone_is_said_in_words() -> None:
    """On both screens, and a new take helps."""

    async def act(stage: Stage) -> None:
        heap = Heap()
        stage.source.answers = heap.answers()
        heap.dropped.add(1)
        await taken(stage)
        await stage.until(lambda: "The frozen copy is gone." in stage.text())
        await stage.press("enter")
        await stage.until(lambda: "h does" in stage.text())

        await stage.press("h")
        await stage.until(lambda: len(stage.app.heaps.heaps.takes(worker(stage))) == 2)
        await stage.refresh()
        assert "There is a newer take: esc goes to it." in stage.text()
        await stage.press("escape")
        await held(stage)

    play(act, source=feeding())


def test_earlier_takes_can_be_looked_at_and_marked() -> None:
    """With the arrows; they are for comparing, there is nothing to look into."""

    async def act(stage: Stage) -> None:
        await taken(stage, 3)
        await stage.press("left", "left")
        assert "earlier take, 1 of 3" in stage.text()
        assert "Only the newest take can be looked into" in stage.text()
        await stage.press("m")
        assert "✓ marked" in stage.text()
        await stage.press("right", "right")
        assert "earlier take" not in stage.text()
        assert "compared with 09:15:20 (+102,420 requests)" in stage.text()

    play(act, source=feeding())


def test_while_frozen_the_picture_stays() -> None:
    """What was asked for comes when it goes on."""

    async def act(stage: Stage) -> None:
        heap = Heap()
        slow = Slow(heap.take)
        await taken(stage)
        await held(stage)
        stage.source.answers[TakeHeap] = slow.answer()
        await stage.press("h")
        await stage.until(lambda: "counting objects" in stage.text())
        await stage.press("space")
        before = stage.lines()[3:]
        slow.gate.set()
        await stage.until(lambda: len(stage.app.heaps.heaps.takes(worker(stage))) == 2)
        await stage.refresh(30)
        assert stage.lines()[3:] == before

        await stage.press("space")
        assert "compared with" in stage.text()

    play(act, source=feeding())


def test_a_worker_that_ended_keeps_what_was_taken_of_it() -> None:
    """It says so, and takes nothing."""

    async def act(stage: Stage) -> None:
        await taken(stage)
        stage.source.give(stage.shop.death())
        await stage.refresh(1)
        assert "The worker ended" in stage.text()
        asked = len(stage.source.asked)
        await stage.press("h")
        assert sum(isinstance(command, TakeHeap) for _, command in stage.source.asked[asked:]) == 0
        assert "str" in rows(stage)

    play(act, source=feeding())


@pytest.mark.parametrize("size", [(60, 12), *SIZES])
def test_hostile_names_and_huge_numbers_are_only_text(size: tuple[int, int]) -> None:
    """Nothing is read as markup, nothing is wider than the terminal."""
    evil = "[/b][red]\x1b[2J\u202e漢字" * 30

    async def act(stage: Stage) -> None:
        heap = Heap()
        plain = heap.take

        def take(who: WorkerId, command: Any) -> Any:
            import msgspec

            made = plain(who, command)
            big = HeapRow(0, evil, 10**12, 10**14)
            return msgspec.structs.replace(
                made, bytes=2 * 10**14, objects=10**13, by_type=(big, *made.by_type), unseen=(evil,), requests=2**60
            )

        stage.source.answers[TakeHeap] = take
        stage.source.answers[HeapPaths] = CommandFailedError(evil, evil, GONE)
        await taken(stage, 2)
        await stage.press("enter", "b", "escape", "escape")
        await stage.refresh(1)
        for line in stage.lines():
            assert cell_len(line) <= size[0]
            assert not any(ord(letter) < 32 or ord(letter) == 0x202E for letter in line)

    play(act, size=size, source=feeding())


def test_y_copies_the_row_and_who_holds_it() -> None:
    """To be pasted into an issue."""

    async def act(stage: Stage) -> None:
        await taken(stage, 2)
        await held(stage)
        assert top(stage).copied().startswith("shop.views.quotes.QuoteLine: 179,200 objects")
        assert GLOBAL in top(stage).copied()

    play(act, source=feeding())


def test_no_color_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes stand for what colours would."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert os.environ["NO_COLOR"]

    async def act(stage: Stage) -> None:
        await taken(stage, 2)
        await held(stage)
        line = next(line for line in stage.lines() if QUOTE in line or "quotes.Quote" in line)
        assert "━" in line and "+" in line

    play(act, source=feeding())
