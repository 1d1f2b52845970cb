"""Profiles over a real socket: what is refused, and that they end with their time, their reader and their worker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from flask import Flask

from flasktop import FlaskTop
from flasktop.agent.commands import stack_table
from flasktop.agent.commands.stack_table import MAX_DEPTH, PSEUDO, StackTable
from flasktop.protocol.codec import encode
from flasktop.protocol.commands import CANCELLED, GONE, IMPOSSIBLE, NOT_GRANTED, Answered, Ask, Cancel, Failed, Working
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint, samples_in
from tests.agent.support import Box, serve, until
from tests.agent.test_server import Client


class Held:
    """An app with a view that waits until it is let go, and one that was served once."""

    def __init__(self, box: Box) -> None:
        self.let_go = threading.Event()
        self.entered = threading.Semaphore(0)
        app = Flask("held")
        FlaskTop(app)

        @app.get("/held")
        def held() -> str:
            self.entered.release()
            self.let_go.wait(30)
            return "held"

        @app.get("/quick")
        def quick() -> str:
            return "quick"

        @app.get("/async")
        async def asynchronous() -> str:
            self.entered.release()
            while not self.let_go.is_set():
                await asyncio.sleep(0.02)
            return "async"

        self.app = app
        self.threads: list[threading.Thread] = []
        self.let_go.set()
        serve(app, "/held")
        serve(app, "/quick")
        serve(app, "/async")
        box.traces(3)
        assert self.entered.acquire(timeout=10) and self.entered.acquire(timeout=10)
        self.let_go.clear()
        self.routes = {route.route: number for number, route in box.routes.items()}
        self.client = Client(str(box.agent.files.socket))

    def begin(self, path: str = "/held") -> None:
        """Start a request that stays, and wait until its view runs."""
        self.threads.append(threading.Thread(target=serve, args=(self.app, path)))
        self.threads[-1].start()
        assert self.entered.acquire(timeout=10)

    def ask(self, route: str = "/held", seconds: float = 20.0, rate: int = 100, number: int = 1) -> None:
        routes = (self.routes[route],) if route else (4711,)
        self.client.socket.sendall(encode(Ask(number, ProfileEndpoint(routes, seconds, rate))))

    def said(self, number: int = 1) -> Answered | Failed:
        said: Answered | Failed = self.client.until(
            lambda: next((m for m in self.client.of(Answered) + self.client.of(Failed) if m.id == number), None)
        )
        return said

    def refusal(self, number: int = 1) -> Failed:
        said = self.said(number)
        assert isinstance(said, Failed), said
        return said

    def profile(self) -> Profiled:
        said = self.said()
        assert isinstance(said, Answered) and isinstance(said.answer, Profiled), said
        return said.answer

    def sampling(self) -> None:
        """Wait until some samples were taken."""
        self.client.until(lambda: any(samples_in(working.stage) for working in self.client.of(Working)))


@pytest.fixture
def held(box: Box) -> Iterator[Held]:
    made = Held(box)
    yield made
    made.let_go.set()
    for thread in made.threads:
        thread.join(10)
    made.client.socket.close()


def running(box: Box) -> int:
    """Commands under way."""
    return len(box.agent.server._desk._jobs)  # type: ignore[attr-defined]


def test_it_ends_by_itself_and_says_where_the_requests_were(held: Held) -> None:
    held.begin()
    held.ask(seconds=0.5)
    profile = held.profile()

    assert profile.samples > 0
    assert profile.requests == 1
    assert profile.seconds >= 0.5
    assert profile.ticks + profile.missed <= 51
    assert profile.sampler_us > 0
    (line, *_) = {profile.frames[number] for number in profile.stacks[0].frames if profile.frames[number].own}
    assert line.function.endswith("held")
    assert profile.files[line.file] == __file__
    assert line.first < line.line
    names = [profile.frames[number].function for number in profile.stacks[0].frames]
    assert names[0].endswith("wsgi_app"), "the stack begins where the server calls the app"
    assert not [name for name in profile.files if "flasktop/agent/" in name], "nothing of ours is shown"
    assert sum(stack.cpu_us for stack in profile.stacks) < 0.2 * sum(stack.wall_us for stack in profile.stacks)


def test_other_requests_are_not_looked_at(held: Held) -> None:
    held.begin()
    held.ask("/quick", seconds=0.3)
    profile = held.profile()

    assert (profile.samples, profile.requests, profile.finished) == (0, 0, 0)
    assert profile.ticks > 0


def test_it_says_how_far_it_is(held: Held) -> None:
    held.begin()
    held.ask(seconds=30)
    held.sampling()

    assert held.client.of(Working)[-1].stage.endswith("of 1 request")
    assert held.client.of(Working)[-1].expected_s == 30.0


def test_it_ends_when_it_is_cancelled(held: Held, box: Box) -> None:
    held.begin()
    held.ask(seconds=60)
    held.sampling()
    held.client.socket.sendall(encode(Cancel(1)))

    assert held.refusal().reason == CANCELLED
    until(lambda: running(box) == 0)


def test_it_ends_when_its_reader_leaves(held: Held, box: Box) -> None:
    held.begin()
    held.ask(seconds=60)
    held.sampling()
    held.client.socket.close()

    until(lambda: running(box) == 0)


def test_one_at_a_time(held: Held) -> None:
    held.ask(seconds=60, number=1)
    held.ask(seconds=60, number=2)

    assert held.refusal(2).reason == "busy"


@pytest.mark.parametrize(("seconds", "rate"), [(61.0, 100), (0.0, 100), (float("nan"), 100), (1.0, 201), (1.0, 0)])
def test_what_is_beyond_the_bounds_is_refused(held: Held, seconds: float, rate: int) -> None:
    held.ask(seconds=seconds, rate=rate)

    assert held.refusal().reason == IMPOSSIBLE


def test_an_endpoint_that_the_worker_does_not_know_is_refused(held: Held) -> None:
    held.ask("")

    assert held.refusal().reason == GONE


def test_without_the_grant_it_is_refused(monkeypatch: pytest.MonkeyPatch, box: Box) -> None:
    monkeypatch.setenv("FLASKTOP_GRANTS", "heap")
    held = Held(box)
    held.ask()

    assert held.refusal().reason == NOT_GRANTED
    held.client.socket.close()


def deep(depth: int, table: StackTable) -> stack_table.Tally:
    import sys

    return deep(depth - 1, table) if depth else table.find(sys._getframe())


def test_a_stack_that_is_too_deep_is_cut_at_its_outer_end() -> None:
    table = StackTable()
    tally = deep(MAX_DEPTH + 10, table)

    assert len(tally.spots) == MAX_DEPTH + 1
    assert tally.spots[0] == stack_table.CUT
    assert table.spot(tally.spots[0]) is None and stack_table.CUT in PSEUDO


def test_stacks_beyond_the_limit_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_table, "MAX_STACKS", 3)
    table = StackTable()
    tallies = [deep(depth, table) for depth in range(5)]

    assert tallies[3:] == [table.rest, table.rest]
    assert len(table.tallies()) == 3


def test_a_tick_that_comes_late_stands_for_the_time_it_missed(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    from flasktop.agent.commands import profile as module

    real, slow = module._Run._tick, threading.Event()

    def tick(self: module._Run, wall_ns: int) -> None:
        real(self, wall_ns)
        if not slow.is_set():
            slow.set()
            time.sleep(0.2)

    monkeypatch.setattr(module._Run, "_tick", tick)
    held.begin()
    held.ask(seconds=0.6)
    profile = held.profile()

    assert profile.missed >= 15
    assert sum(stack.wall_us for stack in profile.stacks) >= 500_000


def test_where_many_requests_run_some_stand_for_all(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    from flasktop.agent.commands import profile as module

    monkeypatch.setattr(module, "LOOKS", 2)
    for _ in range(5):
        held.begin()
    held.ask(seconds=1.0)
    held.client.until(lambda: any("of 5 requests" in working.stage for working in held.client.of(Working)))
    profile = held.profile()

    assert profile.requests == 5
    assert profile.samples <= 2 * profile.ticks
    assert sum(stack.wall_us for stack in profile.stacks) == pytest.approx(5e6, rel=0.2)


def test_an_async_view_is_seen_where_it_waits(held: Held) -> None:
    held.begin("/async")
    held.ask("/async", seconds=0.6)
    profile = held.profile()

    wall = sum(stack.wall_us for stack in profile.stacks)
    names = {number for number, frame in enumerate(profile.frames) if frame.own and "asynchronous" in frame.function}
    inside = [stack for stack in profile.stacks if names & {*stack.frames}]
    assert sum(stack.wall_us for stack in inside) > 0.5 * wall
    assert not any(stack.cpu_us for stack in profile.stacks)
    assert any("Async views" in words for words in profile.unseen)
