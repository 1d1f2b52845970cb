"""A busy app hands the interpreter to the agent's thread, and is never kept waiting for it."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from flasktop import Middleware
from flasktop.agent import loop, turn
from flasktop.agent.engine import Engine, SpanIdentity
from flasktop.agent.runtime import Agent
from flasktop.agent.server import Server
from flasktop.agent.trace import SpanRecord, sink
from flasktop.agent.turn import Turn
from flasktop.protocol.records import STATEMENT
from tests.agent.sites import answering
from tests.agent.support import Answer, Box, bare_environ, serve, until


def test_who_offers_goes_on_when_the_thread_has_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "LONGEST_S", 30.0)
    woken = threading.Event()
    offered = Turn(woken.set)
    offered.over(0)
    request = threading.Thread(target=offered.offer)
    request.start()
    assert woken.wait(10) and offered.offered

    offered.over(1_000)
    request.join(10)

    assert not request.is_alive()
    assert offered.due_ns == 1_000


def test_a_thread_that_does_not_come_is_not_waited_for() -> None:
    offered = Turn(lambda: None)
    offered.over(0)
    before = time.perf_counter()
    offered.offer()

    assert time.perf_counter() - before >= turn.LONGEST_S


def test_what_came_too_late_does_not_count_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread worked after the request had gone on: the next one steps aside all the same."""
    offered = Turn(lambda: None)
    offered.offer()
    offered.over(0)
    before = time.perf_counter()
    offered.offer()

    assert time.perf_counter() - before >= turn.LONGEST_S


def test_one_request_is_enough() -> None:
    """While one steps aside, and when the thread has ended, no other does."""
    offered = Turn(lambda: None)
    offered.over(0)
    offered.offer()
    assert offered.due_ns > time.perf_counter_ns() + 10**18
    offered.over(None)
    assert offered.due_ns > time.perf_counter_ns() + 10**18


def test_who_wakes_a_thread_that_rests_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "LONGEST_S", 1_000.0)
    woken = threading.Event()
    offered = Turn(woken.set)
    offered.over(5)
    offered.rest()
    assert offered.due_ns < time.perf_counter_ns()
    offered.offer()

    assert woken.is_set() and offered.offered
    offered.over(1_000)
    assert not offered.resting and offered.due_ns == 1_000


def test_who_begins_rouses_a_thread_that_rests_once() -> None:
    woken: list[int] = []
    offered = Turn(lambda: woken.append(1))
    offered.rest()
    offered.rouse()
    offered.rouse()

    assert offered.roused_s > 0 and len(woken) == 1
    offered.over(0)
    assert not offered.roused_s and not offered.offered


def test_a_busy_app_is_recorded_when_one_of_its_requests_has_ended(world: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "GRACE_S", 1_000.0)
    app = Middleware(answering([b"x"]))

    def served() -> bool:
        serve(app)
        return world.agent.recorder.next_number > 0

    until(served)


def test_an_app_that_rests_is_recorded_all_the_same(box: Box) -> None:
    serve(Middleware(answering([b"x"])))

    assert len(box.traces(1)) == 1


@pytest.fixture
def resting(box: Box, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """The agent of an app that did something once, and does nothing now: left alone its thread sleeps for hours."""
    asked: list[float] = []
    step = Server.step

    def noting(server: Server, timeout_s: float) -> None:
        asked.append(timeout_s)
        step(server, timeout_s)

    monkeypatch.setattr(Server, "step", noting)
    monkeypatch.setattr(loop, "REST_S", 10_000.0)
    serve(Middleware(answering([b"x"])))
    until(lambda: box.agent.recorder.next_number == 1 and asked[-1] > 9_000)
    return box.agent


def test_the_first_request_that_ends_wakes_a_thread_that_rests(resting: Agent) -> None:
    serve(Middleware(answering([b"x"])))

    until(lambda: resting.recorder.next_number == 2)


def test_a_request_that_begins_has_a_thread_that_rests_look_while_it_runs(resting: Agent) -> None:
    """Where it is killed, its memory and its age are known."""
    sampled = resting.journal.next_seq
    answer = Middleware(answering([b"x"]))(bare_environ(), lambda *said: bytearray().extend)

    until(lambda: resting.journal.next_seq > sampled + 2)
    answer.close()  # type: ignore[attr-defined]


def test_a_request_that_ends_just_before_the_thread_rests_is_recorded(
    resting: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = Turn.rest
    served: list[Answer] = []

    def late(turn: Turn) -> None:
        if not served:
            served.append(serve(Middleware(answering([b"x"]))))
        rest(turn)

    monkeypatch.setattr(Turn, "rest", late)
    serve(Middleware(answering([b"x"])))

    until(lambda: resting.recorder.next_number == 3)


def test_a_statement_outside_any_request_wakes_it_as_well(resting: Agent) -> None:
    sink.add(SpanRecord(SpanIdentity(STATEMENT, "SELECT 1", Engine("sqlite://", "sqlite"), None, 0)))

    until(lambda: not sink.outside and [frame for frame in Box().frames if frame.outside])


def test_an_app_that_rests_is_sampled_for_a_reader(resting: Agent) -> None:
    sampled = resting.journal.next_seq
    with socket.socket(socket.AF_UNIX) as reader:
        reader.connect(str(resting.files.socket))

        until(lambda: resting.journal.next_seq > sampled + 2)


def test_a_request_that_runs_keeps_the_thread_looking(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REST_S", 10_000.0)
    answer = Middleware(answering([b"x"]))(bare_environ(), lambda *said: bytearray().extend)
    agent = box.agent
    sampled = agent.journal.next_seq

    until(lambda: agent.journal.next_seq > sampled + 2)
    assert not agent.turn.resting
    answer.close()  # type: ignore[attr-defined]
