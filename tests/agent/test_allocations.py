"""Allocation sites: the line that leaks is named, and tracing ends whatever happens."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from flasktop import Middleware
from flasktop.agent.commands import allocations
from flasktop.agent.commands.allocations import HERE, Tracing, is_own
from flasktop.agent.commands.job import CommandError, Job
from flasktop.protocol.codec import encode
from flasktop.protocol.commands import BUSY, CANCELLED, Answered, Ask, Working
from flasktop.protocol.commands.memory import AllocationSite, AllocationSites, TraceAllocations
from tests.agent.sites import answering
from tests.agent.support import Box, serve, until
from tests.agent.test_server import Client

LEAK: list[object] = []


def leak() -> None:
    LEAK.append(bytearray(1_000))  # the line that leaks


LINE = leak.__code__.co_firstlineno + 1


def churn() -> None:
    bytearray(100_000)


def job() -> Job:
    return Job(lambda stage, elapsed, expected: None)


@pytest.fixture
def tracing(box: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracing]:
    serve(Middleware(answering([b"x"]), name="shop"))
    assert not tracemalloc.is_tracing()
    yield Tracing(box.agent)
    assert not tracemalloc.is_tracing()
    LEAK.clear()


def beside(
    work: Callable[[], object], tracing: Tracing, seconds: float = 0.6, asked: Job | None = None
) -> AllocationSites:
    """Trace while another thread does ``work`` again and again."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(0.001):
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        answer = tracing.run(TraceAllocations(seconds), asked or job())
    finally:
        done.set()
        thread.join()
    assert isinstance(answer, AllocationSites)
    return answer


def site(answer: AllocationSites, line: int) -> AllocationSite:
    (found,) = [each for each in answer.sites if each.file == __file__ and each.line == line]
    return found


def test_the_line_that_leaks_is_named(tracing: Tracing) -> None:
    answer = beside(leak, tracing)

    found = site(answer, LINE)
    assert found.bytes >= 1_000 * (found.blocks // 2) > 0
    assert answer.sites[0] == found
    assert found.live_blocks >= found.blocks and answer.bytes > 0


def test_what_is_freed_again_does_not_grow(tracing: Tracing) -> None:
    answer = beside(churn, tracing)

    assert not [each for each in answer.sites if each.file == __file__ and each.bytes >= 200_000]


def test_requests_that_ran_meanwhile_are_counted(tracing: Tracing, box: Box) -> None:
    app = Middleware(answering([b"x"]), name="shop")
    answer = beside(lambda: serve(app), tracing, 1.0)

    assert answer.requests > 0 and 0 < answer.seconds <= 60


def test_own_lines_are_left_out_and_said(tracing: Tracing) -> None:
    app = Middleware(answering([b"x"]), name="shop")
    answer = beside(lambda: serve(app), tracing)

    assert not [each for each in answer.sites if is_own(each.file)]
    assert answer.own_bytes != 0


def test_the_demo_is_an_app_like_any_other() -> None:
    assert is_own(f"{HERE}agent/runtime.py")
    assert not is_own(f"{HERE}demo/shop/views/quotes.py") and not is_own("/srv/shop/views.py")


def test_the_time_that_the_app_stood_still_is_said(tracing: Tracing) -> None:
    answer = beside(leak, tracing, 0.2)

    assert len(answer.stalls_us) == 3 and all(stall >= 0 for stall in answer.stalls_us)
    assert answer.traced_blocks > 0 and not answer.early


def test_a_snapshot_waits_for_a_moment_without_requests(tracing: Tracing, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(list[object]):
        """A request runs at the first looks, and then none."""

        looks = 0

        def __iter__(self) -> Iterator[object]:
            Counted.looks += 1
            return iter([object()] if Counted.looks < 5 else [])

    monkeypatch.setattr(tracing, "_agent", SimpleNamespace(running=Counted()))
    flying = tracing._calm(job())

    assert flying == 0 and Counted.looks == 5


def test_requests_in_flight_at_a_snapshot_are_said(tracing: Tracing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocations, "CALM_S", 0.0)
    monkeypatch.setattr(tracing, "_in_flight", lambda: 3)

    assert beside(leak, tracing, 0.1).in_flight == (3, 3)


def test_it_ends_early_where_too_many_blocks_live(tracing: Tracing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocations, "MAX_TRACED_BLOCKS", 2_000)
    answer = beside(lambda: LEAK.extend([0.5 + i for i in range(200)]), tracing, 60.0)

    assert answer.early and answer.traced_blocks >= 1_000
    assert answer.blocks > 0 and answer.seconds > 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 61.0, float("nan"), float("inf")])
def test_odd_times_are_refused(tracing: Tracing, seconds: float) -> None:
    with pytest.raises(CommandError, match="cannot be traced for that long"):
        tracing.run(TraceAllocations(seconds), job())


def test_an_app_that_traces_itself_is_left_alone(tracing: Tracing) -> None:
    tracemalloc.start(7)
    try:
        with pytest.raises(CommandError) as refused:
            tracing.run(TraceAllocations(1.0), job())
        assert tracemalloc.is_tracing() and tracemalloc.get_traceback_limit() == 7
    finally:
        tracemalloc.stop()

    assert refused.value.reason == BUSY


def test_an_app_that_stops_the_tracing_ends_it(tracing: Tracing) -> None:
    with pytest.raises(CommandError, match="stopped the tracing itself"):
        beside(tracemalloc.stop, tracing, 30.0)


def test_tracing_stops_when_nobody_waits_any_more(tracing: Tracing) -> None:
    asked = job()
    with pytest.raises(CommandError) as ended:
        beside(asked.cancel, tracing, 60.0, asked)

    assert ended.value.reason == CANCELLED


def test_tracing_stops_when_the_reader_hangs_up(tracing: Tracing, box: Box) -> None:
    client = Client(str(box.agent.files.socket))
    client.socket.sendall(encode(Ask(1, TraceAllocations(60.0))))
    client.until(lambda: client.of(Working))
    assert tracemalloc.is_tracing()
    client.socket.close()

    until(lambda: not tracemalloc.is_tracing())


def test_tracing_stops_with_the_worker(tracing: Tracing, box: Box) -> None:
    client = Client(str(box.agent.files.socket))
    client.socket.sendall(encode(Ask(1, TraceAllocations(60.0))))
    client.until(lambda: client.of(Working))
    box.agent.stop()

    until(lambda: not tracemalloc.is_tracing())
    client.socket.close()


def test_sites_come_over_the_socket(tracing: Tracing, box: Box) -> None:
    client = Client(str(box.agent.files.socket))
    client.socket.sendall(encode(Ask(1, TraceAllocations(0.1))))
    said = client.until(lambda: client.of(Answered))
    client.socket.close()

    assert isinstance(said[0].answer, AllocationSites)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_that_is_forked_meanwhile_does_not_trace(tracing: Tracing, box: Box) -> None:
    client = Client(str(box.agent.files.socket))
    client.socket.sendall(encode(Ask(1, TraceAllocations(60.0))))
    client.until(lambda: client.of(Working))
    pid = os.fork()
    if not pid:
        os._exit(3 if tracemalloc.is_tracing() else 0)
    _, status = os.waitpid(pid, 0)
    assert tracemalloc.is_tracing()
    client.socket.close()
    until(lambda: not tracemalloc.is_tracing())

    assert os.waitstatus_to_exitcode(status) == 0
