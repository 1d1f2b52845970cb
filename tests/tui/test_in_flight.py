"""The panel of requests in flight, and the live stack of one of them, until it ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from flasktop.client.ask import CommandFailedError
from flasktop.protocol.commands import GONE, NOT_GRANTED
from flasktop.protocol.commands.stacks import IN_APP, RequestStack, StackFrame, StacksTaken, TakeStacks
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import CPU, SQL, STATEMENT, UNKNOWN, WAIT, InFlight
from flasktop.stats.in_flight import InFlightId
from flasktop.tui.detail.stack import EndedScreen, StackScreen
from tests.stats.builders import make_sample
from tests.tui.shop import Feeding, Shop
from tests.tui.stage import Stage, check_snapshot, play

OLDEST = 12.4
SIZES = [(80, 24), (120, 40), (200, 60)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop whose own code can be read."""
    views = tmp_path / "views"
    views.mkdir()
    lines = [f"# line {number}" for number in range(1, 40)]
    lines[21] = "    time.sleep(PRINT_SECONDS)  # stands for the print service"
    file = views / "orders.py"
    file.write_text("\n".join(lines))
    os.utime(file, (0, 0))  # older than the workers
    return Shop(directory=str(tmp_path))


def requests(stage: Stage) -> tuple[InFlight, ...]:
    """Four requests: one waits (by far over its p95), one is in SQL, one computes, one is not routed yet."""
    shop = stage.shop

    def one(age_s: float, method: str, route: str, path: str, doing: str, **more: object) -> InFlight:
        begun = int((stage.clock.now - age_s) * 1e6)
        number = shop.routes[method + route] if route else UNKNOWN
        made = InFlight(method, number, path, int(age_s * 1e6), "shop", begun, 4711, "worker_3", doing=doing)
        return msgspec.structs.replace(made, **more)

    return (
        one(0.3, "GET", "/stats", "/stats", CPU, doing_us=290_000, cpu_us=290_000),
        one(OLDEST, "POST", "/report", "/report", WAIT, doing_us=11_900_000, statements=3, cpu_us=14_000),
        one(0.1, "GET", "/search", "/search?q=…", SQL, doing_us=95_000, kind=STATEMENT,
            statement=shop.statements["search"], statements=1),
        one(0.01, "GET", "", "/", "unknown"),
    )  # fmt: skip


def give(stage: Stage, running: tuple[InFlight, ...], beyond: int = 0) -> None:
    worker = stage.shop.workers[0]
    sample = msgspec.structs.replace(make_sample(in_flight=len(running) + beyond), running=running)
    stage.source.give([worker.frame([], mono=stage.clock.now, sample=sample)])
    for other in stage.shop.workers[1:]:
        stage.source.give([other.frame([], mono=stage.clock.now, sample=make_sample())])


def stack(root: str, doing: str = WAIT) -> StacksTaken:
    own = StackFrame(f"{root}/views/orders.py", 22, "print_report", True, "time.sleep(PRINT_SECONDS)")
    view = StackFrame(f"{root}/views/orders.py", 30, "report", True, "# line 30")
    library = "/usr/lib/python3.11/site-packages"
    frames = (
        own,
        view,
        StackFrame(f"{library}/flask/app.py", 902, "Flask.dispatch_request", False, "return view()"),
        StackFrame(f"{library}/flask/app.py", 1511, "Flask.wsgi_app", False, "response = self.full_dispatch_request()"),
    )
    told = RequestStack(
        1, 12_400_000, "shop", "POST", "/report", "/report", 4711, "worker_3", 3, 14_000, (0, 1, 2, 3), IN_APP, doing,
        11_900_000,
    )  # fmt: skip
    return StacksTaken(frames, (told,), 4)


def played(act: Callable[[Stage], object], shop: Shop, size: tuple[int, int] = (120, 40)) -> None:
    """``act`` on the panel In flight, with requests in it and a worker that tells their stacks."""
    source = Feeding()
    source.answers[TakeStacks] = stack(shop.directory)

    async def whole(stage: Stage) -> None:
        give(stage, requests(stage))
        await stage.refresh()
        await stage.press("3")
        await act(stage)  # type: ignore[misc]

    play(whole, size=size, source=source, shop=shop)


@pytest.mark.parametrize("size", SIZES)
def test_the_panel_looks_as_it_should(shop: Shop, size: tuple[int, int]) -> None:
    async def act(stage: Stage) -> None:
        if size[1] >= 30:
            await stage.until(lambda: "in time.sleep" in stage.text())
        check_snapshot(stage, f"in-flight-{size[0]}x{size[1]}")

    played(act, shop, size)


def test_the_oldest_comes_first_with_what_it_does(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        rows = [line for line in stage.lines() if "waiting" in line or "SQL" in line or "on CPU" in line]
        first = next(line for line in rows if "/report" in line)

        assert "12.4s" in first and "◌ waiting" in first and "▲" in first
        assert any("▪ SQL" in line and "SELECT" in line for line in rows)
        assert "not routed yet" in stage.text() and "3 In flight 4" in stage.text()

    played(act, shop)


def test_ages_go_on_between_samples(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        await stage.refresh(0.5)
        assert "12.9s" in stage.text()
        await stage.press("space")
        await stage.refresh(5)
        assert "12.9s" in stage.text()

    played(act, shop)


def test_what_a_worker_did_not_name_is_counted(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        give(stage, requests(stage), beyond=17)
        await stage.refresh()

        assert "17 younger not listed" in stage.text()

    played(act, shop)


def test_nothing_is_asked_for_a_preview_that_is_not_shown(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        await stage.refresh(2)

        assert stage.source.asked == []

    played(act, shop, (80, 24))


def test_nothing_in_flight_is_said_in_words(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        await stage.refresh(1)
        give(stage, ())
        await stage.refresh()

        assert "No request is running at this moment." in stage.text()

    played(act, shop)


def test_the_preview_shows_where_the_selected_request_is(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        await stage.until(lambda: "print_report" in stage.text())

        assert "waiting 11.9 s in time.sleep" in stage.text()
        worker, command = stage.source.asked[-1]
        assert isinstance(command, TakeStacks) and worker.pid == stage.shop.pids[0]
        assert command.begun_us == stage.order()[0].begun_us

    played(act, shop)


@pytest.mark.parametrize("size", SIZES)
def test_enter_shows_the_live_stack_to_the_line(shop: Shop, size: tuple[int, int]) -> None:
    async def act(stage: Stage) -> None:
        await stage.press("enter")
        await stage.until(lambda: "print_report" in stage.text())
        text = stage.text()

        assert "waiting 11.9 s in time.sleep" in text
        assert "▶ 22 │" in text and "views/orders.py:22" in text
        assert "▸ 2 library frames: flask" in text and "dispatch_request  return" not in text
        check_snapshot(stage, f"stack-{size[0]}x{size[1]}")

    played(act, shop, size)


def test_library_frames_unfold_and_fold_again(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        await stage.press("enter")
        await stage.until(lambda: "print_report" in stage.text())
        await stage.press("G", "right")
        assert "flask/app.py:902" in stage.text()
        await stage.press("left")
        assert "flask/app.py:902" not in stage.text()
        await stage.press("enter")
        assert "flask/app.py:902" in stage.text()

    played(act, shop)


def test_the_stack_is_looked_at_again_but_not_while_frozen(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        await stage.press("enter")
        await stage.until(lambda: len(stage.source.asked) >= 3)
        await stage.press("space")
        await stage.pilot.pause(0.1)
        asked = len(stage.source.asked)
        await stage.pilot.pause(1.2)  # longer than two looks are apart

        assert len(stage.source.asked) == asked

    played(act, shop)


def test_a_request_that_ends_is_replaced_by_its_trace(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        key = stage.order()[0]
        assert isinstance(key, InFlightId)
        await stage.press("enter")
        await stage.until(lambda: "print_report" in stage.text())
        stage.clock.now += 1
        worker = stage.shop.workers[0]
        ended = worker.trace(stage.shop.routes["POST/report"], ms=(OLDEST + 1) * 1e3, path="/report")
        stage.source.give([worker.frame([ended], mono=stage.clock.now)])
        await stage.refresh()
        await stage.until(lambda: isinstance(stage.app.screen, EndedScreen))
        await stage.refresh()

        assert "it has ended" in stage.text() and "13.4 s" in stage.text()
        await stage.press("escape")
        assert stage.on_main and stage.panel.panel == "in_flight"

    played(act, shop)


def test_a_request_that_has_gone_without_a_trace_stays_as_it_was_seen_last(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        await stage.press("enter")
        await stage.until(lambda: "print_report" in stage.text())
        stage.source.answers[TakeStacks] = CommandFailedError("The request has ended.", "", GONE)
        await stage.until(lambda: "It has ended" in stage.text())
        assert "its trace comes in a moment" in stage.text() and "print_report" in stage.text()
        stage.clock.now += 10
        give(stage, ())
        await stage.refresh()

        assert "its trace was not kept" in stage.text() and "print_report" in stage.text()

    played(act, shop)


def test_a_refusal_is_said_in_words(shop: Shop) -> None:
    def refuse(worker: WorkerId, command: object) -> Exception:
        return CommandFailedError("This app does not allow 'stacks'.", "Set FLASKTOP_GRANTS=heap,stacks", NOT_GRANTED)

    async def act(stage: Stage) -> None:
        stage.source.answers[TakeStacks] = refuse
        await stage.press("enter")
        await stage.until(lambda: "does not allow" in stage.text())

        assert "FLASKTOP_GRANTS=heap,stacks" in stage.text() and isinstance(stage.app.screen, StackScreen)

    played(act, shop)


def test_what_an_app_says_is_never_markup(shop: Shop) -> None:
    async def act(stage: Stage) -> None:
        odd = msgspec.structs.replace(requests(stage)[1], path="/a[/b]", thread="[bold]")
        give(stage, (odd,))
        hostile = stack(shop.directory)
        frames = tuple(msgspec.structs.replace(frame, source="[/red]\x1b[2J") for frame in hostile.frames)
        stage.source.answers[TakeStacks] = msgspec.structs.replace(hostile, frames=frames)
        await stage.refresh()
        await stage.press("enter")
        await stage.until(lambda: "[/red]" in stage.text())

        assert "\x1b" not in stage.text() and "/a[/b]" in stage.text()

    played(act, shop)
