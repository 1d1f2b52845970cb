"""Profiling an endpoint from the keyboard: P, wait, look, fold, export, and Esc at any time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from flasktop.client.ask import A, CommandFailedError, OnWorking
from flasktop.client.profile import Standing
from flasktop.findings.evidence import Need, StackNeed
from flasktop.protocol.commands import BUSY, NOT_GRANTED, Command, Working
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint, ProfileFrame, ProfileStack, stage
from flasktop.protocol.events import WorkerId
from flasktop.tui.detail import profile as profile_screen
from flasktop.tui.detail.profile import ProfileScreen
from flasktop.tui.detail.profile_code import ProfileCodeScreen
from tests.stats.profiles import SHOP, profiled, report
from tests.tui.shop import Feeding
from tests.tui.stage import Stage, play

REFUSED = CommandFailedError("This app does not allow 'profile'.", "Set FLASKTOP_GRANTS=profile.", NOT_GRANTED)


class Sampling(Feeding):
    """Workers that sample until they are told to answer; cancelled ones are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = asyncio.Event()
        self.cancelled = 0

    async def ask(self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None) -> A:
        assert on_working is not None
        on_working(Working(1, stage(100 + worker.pid, 3), 1.0, 10.0))
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await super().ask(worker, command, answer, on_working)


class Busy(Feeding):
    """Workers that are being profiled already, until they are free."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.answers[ProfileEndpoint] = report()

    async def ask(self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None) -> A:
        if not self.free.is_set():
            raise CommandFailedError("The worker does this already, for another reader.", "Try again.", BUSY)
        return await super().ask(worker, command, answer, on_working)


class OneBusy(Sampling):
    """Workers of quiet endpoints, of which one is being profiled already, until it is free."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def ask(self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None) -> A:
        if worker.pid == 4119 and not self.free.is_set():
            raise CommandFailedError("The worker does this already, for another reader.", "Try again.", BUSY)
        assert on_working is not None
        on_working(Working(1, stage(0, 0), 1.0, 10.0))
        await self.answered.wait()
        return await super().ask(worker, command, answer, on_working)


def answering(answer: object) -> Feeding:
    source = Feeding()
    source.answers[ProfileEndpoint] = answer
    return source


def screen(stage: Stage) -> ProfileScreen:
    assert isinstance(stage.app.screen, ProfileScreen)
    return stage.app.screen


async def shown(stage: Stage) -> None:
    await stage.until(lambda: "FUNCTION" in stage.text())


def row(stage: Stage, function: str) -> str:
    """The line of the tree that shows ``function``."""
    return next(line for line in stage.lines() if f" {function}" in line and ("▾" in line or "▸" in line))


def on_the_profile(act: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    async def opened(stage: Stage) -> None:
        await stage.press("P")
        await shown(stage)
        await act(stage)

    return opened


@pytest.mark.parametrize("size", [(60, 14), (80, 24), (120, 40), (200, 60)])
def test_from_the_panel_to_the_hot_path(size: tuple[int, int]) -> None:
    async def act(stage: Stage) -> None:
        await stage.press("P")
        await shown(stage)

        assert "GET /orders › profile" in stage.text()
        assert "309 samples" in stage.text() and "3 workers" in stage.text()
        assert row(stage, "report").split()[:2] == ["97", "29"]
        assert "▾" in row(stage, "load"), "the hot path is open"
        assert "▸" in row(stage, "in sqlalchemy"), "and ends at the library"
        assert "switch interval" not in stage.text()

        await stage.press("escape")
        assert stage.on_main

    play(act, size=size, source=answering(lambda worker, command: report()))


def test_all_workers_are_asked_by_their_own_ids() -> None:
    async def act(stage: Stage) -> None:
        commands = [command for _, command in stage.source.asked]

        assert len({worker for worker, _ in stage.source.asked}) == 3
        assert all(isinstance(command, ProfileEndpoint) and len(command.routes) == 1 for command in commands)
        assert all((command.seconds, command.rate) == (10.0, 100) for command in commands)  # type: ignore[union-attr]

    play(on_the_profile(act), source=answering(lambda worker, command: report()))


def test_what_it_cannot_see_and_what_it_cost_stand_beside_it() -> None:
    async def act(stage: Stage) -> None:
        assert "CPU bursts shorter than 5 ms" in stage.text()
        assert "sampling took 1.5 % of a core, 51 us a tick" in stage.text()
        assert "1.0 % of ticks came late" in stage.text()

    play(on_the_profile(act), source=answering(lambda worker, command: report()))


def test_from_the_endpoint_too() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("enter")
        await stage.press("P")
        await shown(stage)

        assert "GET /orders › profile" in stage.text()
        await stage.press("escape", "escape")
        assert stage.on_main

    play(act, source=answering(report()))


def test_progress_is_told_and_esc_stops_it_in_every_worker() -> None:
    async def act(stage: Stage) -> None:
        source = stage.source
        assert isinstance(source, Sampling)
        await stage.press("P")
        await stage.refresh(4)

        total = sum(100 + pid for pid in stage.shop.pids)
        assert "Sampling GET /orders in 3 workers" in stage.text()
        assert "4 s of 10 s" in stage.text()
        assert f"{total / 1000:.1f}k samples so far" in stage.text()

        await stage.press("escape")
        await stage.until(lambda: source.cancelled == 3)
        assert stage.on_main

    play(act, source=Sampling())


def test_a_frozen_picture_stays() -> None:
    async def act(stage: Stage) -> None:
        source = stage.source
        assert isinstance(source, Sampling)
        source.answers[ProfileEndpoint] = report()
        await stage.press("P")
        await stage.press("space")
        frozen = stage.lines()[3:]
        source.answered.set()
        await stage.refresh(5)
        await stage.until(lambda: screen(stage)._next is not None)
        assert stage.lines()[3:] == frozen

        await stage.press("space")
        assert "FUNCTION" in stage.text()

    play(act, source=Sampling())


def test_folding() -> None:
    async def act(stage: Stage) -> None:
        assert screen(stage).copied().startswith("load ")
        await stage.press("left")
        assert "in sqlalchemy" not in stage.text()
        await stage.press("right")
        assert "in sqlalchemy" in stage.text()
        await stage.press("left", "left")
        assert screen(stage).copied().startswith("report "), "folded already: to the caller"
        await stage.press("down", "down")
        await stage.press("right")
        assert "Connection.execute" not in stage.text(), "load was folded, so this is flask"
        await stage.press("up", "right", "down", "enter")
        assert "Connection.execute" in stage.text(), "Enter unfolds a package"
        await stage.press("enter")
        assert "Connection.execute" not in stage.text()

    play(on_the_profile(act), source=answering(report()))


def test_enter_shows_the_code_with_the_time_of_each_line(tmp_path: Path) -> None:
    file = tmp_path / "views.py"
    file.write_text(
        "\n" * 19 + "def report():\n    numbers()\n    # nothing\n    load()\n    return 1\n\n\ndef other():\n"
    )
    found = report()
    files = tuple(str(file) if path == SHOP else path for path in found.files)

    async def act(stage: Stage) -> None:
        assert "▶" in stage.text(), "the code of the function is below"
        await stage.press("up")
        assert "numbers()" in stage.text()
        await stage.press("enter")
        assert isinstance(stage.app.screen, ProfileCodeScreen)
        assert "profile › report" in stage.text()
        timed = {line.split("│")[1].strip(): line.split()[0] for line in stage.lines() if "│" in line}

        assert timed["load()"] == "87"
        assert timed["numbers()"] == "9.7"
        assert not any("other" in code for code in timed), "the function ends before the next one"
        await stage.press("escape")
        assert screen(stage)

    play(on_the_profile(act), source=answering(msgspec.structs.replace(found, files=files)))


def test_code_that_is_not_on_this_machine_is_told() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("enter")

        assert "not on this machine" in stage.text()
        assert "▶31" in stage.text(), "the lines have their numbers all the same"

    play(on_the_profile(act), source=answering(report()))


def test_no_samples_say_why() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("P")
        await stage.until(lambda: "No request of it ran" in stage.text())

        stage.source.answers[ProfileEndpoint] = report()
        await stage.press("P")
        await shown(stage)

    play(act, source=answering(profiled(requests=0, finished=0)))


def test_short_requests_that_no_sample_caught_are_told() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("P")
        await stage.until(lambda: "9 requests of it ran" in stage.text())

    play(act, source=answering(profiled(requests=0, finished=3)))


def test_a_refusal_says_what_to_do() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("P")
        await stage.until(lambda: "does not allow" in stage.text())

        assert "FLASKTOP_GRANTS=profile" in stage.text()
        await stage.press("E")
        assert "no profile to export" in stage.text()

    play(act, source=answering(REFUSED))


def test_workers_that_are_being_profiled_already_are_waited_for() -> None:
    async def act(stage: Stage) -> None:
        source = stage.source
        assert isinstance(source, Busy)
        await stage.press("P")
        await stage.until(lambda: screen(stage)._standing.waiting == 3)
        await stage.refresh(4)
        assert "3 workers are busy with the profile of a finding or another reader: waiting." in stage.text()

        assert "0 s of 10 s" in stage.text()

        source.free.set()
        await shown(stage)

    play(act, source=Busy())


def test_while_a_person_takes_a_profile_findings_begin_none() -> None:
    """They would have the workers again before the person asks again."""

    async def act(stage: Stage) -> None:
        desk = stage.app.findings
        (key, *_) = stage.order()
        need = StackNeed(key)
        due = desk._inspection.fetcher.due
        asked: list[tuple[Need, ...]] = []

        def noting(needs: tuple[Need, ...], *, samples_at_once: int = 1) -> tuple[Need, ...]:
            asked.append(due((need,), samples_at_once=samples_at_once))
            return ()

        desk._inspection.fetcher.due = noting  # type: ignore[method-assign]
        await stage.press("P")
        await stage.refresh(60)
        assert set(asked) == {()}

        source = stage.source
        assert isinstance(source, Busy)
        source.free.set()
        await shown(stage)
        await stage.refresh(60)
        assert asked[-1] == (need,)

    play(act, source=Busy())


def test_a_profile_takes_its_time_from_when_the_last_worker_begins() -> None:
    async def act(stage: Stage) -> None:
        source = stage.source
        assert isinstance(source, OneBusy)
        await stage.press("P")
        await stage.until(lambda: screen(stage)._standing == Standing(0, 2, 1))
        await stage.refresh(7)
        assert "7 s of 10 s" in stage.text()
        assert "1 worker is busy" in stage.text()

        source.free.set()
        await stage.until(lambda: screen(stage)._standing == Standing(0, 3, 0))
        await stage.refresh(1)
        assert "1 s of 10 s" in stage.text()
        assert "busy" not in stage.text()

    play(act, source=OneBusy())


def test_a_worker_that_is_given_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_screen, "PATIENCE_S", 1.0)

    async def act(stage: Stage) -> None:
        await stage.press("P")
        await stage.until(lambda: screen(stage)._standing == Standing(0, 2, 1))
        await stage.until(lambda: screen(stage)._standing == Standing(0, 2, 0))

    play(act, source=OneBusy())


def test_a_worker_that_is_busy_for_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_screen, "PATIENCE_S", 0.0)

    async def act(stage: Stage) -> None:
        await stage.press("P")
        await stage.until(lambda: "does this already, for another reader" in stage.text())

    play(act, source=Busy())


def test_what_some_workers_said_is_shown_and_who_did_not() -> None:
    async def act(stage: Stage) -> None:
        assert "2 workers" in "".join(stage.lines()[4:])
        assert "worker 4119: This app does not allow" in stage.text()

    def some(worker: WorkerId, command: Command) -> object:
        return REFUSED if worker.pid == 4119 else report()

    play(on_the_profile(act), source=answering(some))


def test_only_the_worker_that_is_watched_is_asked() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("W")
        await stage.press("P")
        await shown(stage)

        assert len(stage.source.asked) == 1

    play(act, source=answering(report()))


def test_export_writes_two_files_and_never_over_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def act(stage: Stage) -> None:
        await stage.press("E")
        await stage.press("E")
        names = sorted(path.name for path in tmp_path.iterdir())

        assert names == [
            "profile-GET-orders-2.collapsed.txt",
            "profile-GET-orders-2.speedscope.json",
            "profile-GET-orders.collapsed.txt",
            "profile-GET-orders.speedscope.json",
        ]
        assert json.loads((tmp_path / names[3]).read_text())["profiles"]
        assert "Wrote profile-GET-orders-2.speedscope.json and" in stage.text()

    play(on_the_profile(act), source=answering(report()))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()

    async def act(stage: Stage) -> None:
        await stage.press("E")

        assert "Nothing was written" in stage.text()

    play(on_the_profile(act), source=answering(report()))


def test_names_from_the_app_are_text_and_a_huge_profile_is_drawn() -> None:
    names = [f"[red]deep_{number}[/red] " + "x" * 300 for number in range(300)]
    frames = tuple(ProfileFrame(0, name, 5, 1, True) for name in names)
    stacks = tuple(ProfileStack(tuple(range(depth + 1)), 1, 10_000, 5_000, 2_000, 1_000) for depth in range(300))
    huge: Profiled = msgspec.structs.replace(profiled(), samples=300, files=(SHOP,), frames=frames, stacks=stacks)

    async def act(stage: Stage) -> None:
        await stage.press("P")
        await stage.until(lambda: "[red]deep_" in stage.text())
        await stage.press("end")
        await stage.press("g")

        assert "[red]deep_0[/red]" in stage.text()

    for size in ((80, 24), (200, 60)):
        play(act, source=answering(huge), size=size)
