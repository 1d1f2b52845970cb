"""Live counts by type: right, refused where they would be felt, and never felt where they are not."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from flasktop import Middleware
from flasktop.agent.commands import types
from flasktop.agent.commands.job import CommandError, Job
from flasktop.agent.commands.types import STALL_S, Counting, Known, type_name
from flasktop.protocol.codec import encode
from flasktop.protocol.commands import IMPOSSIBLE, Answered, Ask
from flasktop.protocol.commands.memory import CountTypes, TypeCounts
from tests.agent.sites import answering
from tests.agent.support import Box, serve
from tests.agent.test_server import Client

Make = Callable[[], Counting]
QUIET_WITHIN_S = 60.0
"""In so long a time even a busy machine leaves us alone for some milliseconds."""


class Marked:
    """What the tests count."""


class Hostile(type):
    """A metaclass whose every method would betray that it was called."""

    called: ClassVar[list[str]] = []

    def __hash__(cls) -> int:
        Hostile.called.append("hash")
        return 1

    def __eq__(cls, other: object) -> bool:
        Hostile.called.append("eq")
        return False

    def __getattribute__(cls, name: str) -> Any:
        Hostile.called.append(name)
        return super().__getattribute__(name)


def job() -> Job:
    return Job(lambda stage, elapsed, expected: None)


def count(counting: Counting, limit: int = 10_000) -> TypeCounts:
    answer = counting.run(CountTypes(limit), job())
    assert isinstance(answer, TypeCounts)
    return answer


def number(counts: TypeCounts, kind: type) -> int:
    return {row.name: row.count for row in counts.rows}.get(type_name(kind), 0)


@pytest.fixture
def counting(box: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """A service whose limit the test run's own heap does not exceed."""
    serve(Middleware(answering([b"x"]), name="shop"))
    monkeypatch.setattr(types, "STALL_S", 10.0)
    yield Counting(box.agent)


def test_objects_are_counted_by_type(counting: Counting) -> None:
    before = number(count(counting), Marked)
    held = [Marked() for _ in range(1_234)]

    assert number(count(counting), Marked) - before == len(held)


def test_counts_are_those_of_a_walk_by_hand(counting: Counting) -> None:
    """Within what counting itself makes and other threads make meanwhile."""
    gc.collect()
    by_hand = Counter(type_name(kind) for kind in map(type, gc.get_objects()))
    counted = {row.name: row.count for row in count(counting).rows}

    apart = {name: (by_hand[name], counted.get(name, 0)) for name in by_hand if by_hand[name] >= 100}
    assert len(apart) > 10
    assert all(abs(one - other) <= 60 + one // 100 for one, other in apart.values()), apart


def test_what_is_counted_ends_when_the_app_lets_go_of_it(counting: Counting) -> None:
    ended = threading.Event()

    class Ending(Marked):
        def __del__(self) -> None:
            ended.set()

    held = Ending()
    count(counting)
    assert not ended.is_set()
    del held

    assert ended.is_set()


def test_rows_are_the_most_frequent_and_bounded(counting: Counting) -> None:
    counts = count(counting, 5)

    assert len(counts.rows) == 5 and counts.types > 5
    assert [row.count for row in counts.rows] == sorted((row.count for row in counts.rows), reverse=True)
    assert counts.objects >= sum(row.count for row in counts.rows)


def test_types_are_named_with_their_module() -> None:
    assert type_name(dict) == "dict"
    assert type_name(Marked) == "tests.agent.test_types.Marked"
    assert type_name(type("Odd", (), {"__module__": 7})) == "Odd"


def test_no_code_of_a_class_runs(counting: Counting) -> None:
    kind = Hostile("HostileKind", (), {})
    held = [kind() for _ in range(100)]
    Hostile.called.clear()
    counts = count(counting)
    called = list(Hostile.called)

    assert called == []
    assert [row.count for row in counts.rows if row.name.endswith(".HostileKind")] == [len(held)]


def test_a_heap_too_great_to_list_is_refused_and_not_listed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(Middleware(answering([b"x"]), name="shop"))
    counting = Counting(box.agent)
    monkeypatch.setattr(box.agent.gc_clock, "last_full_ns", 0)
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: 5_000_000)
    monkeypatch.setattr(gc, "get_objects", lambda: pytest.fail("it was listed"))

    with pytest.raises(CommandError) as refused:
        counting.run(CountTypes(), job())
    assert refused.value.reason == IMPOSSIBLE
    assert refused.value.message == (
        "Listing the objects among 5,000,000 allocated blocks would stop the app for about 90 ms; 5 ms is the limit."
    )
    assert refused.value.hint.startswith("Take a heap instead")


def test_what_listing_took_is_what_it_is_expected_to_take(counting: Counting) -> None:
    counting._known = Known(1_000_000, 0.033, 2_000_000)

    assert counting.expected_s(4_000_000) == pytest.approx(0.066)


def test_before_the_first_listing_a_full_collection_tells(counting: Counting, box: Box) -> None:
    box.agent.gc_clock.last_full_ns = 10_000_000

    assert counting.expected_s(100_000_000) == pytest.approx(0.002)


def test_a_listing_that_took_too_long_is_not_repeated(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(Middleware(answering([b"x"]), name="shop"))
    counting = Counting(box.agent)
    counting._known = Known(90_000, 0.0061, sys.getallocatedblocks())

    with pytest.raises(CommandError) as refused:
        counting.run(CountTypes(), job())
    assert " objects would stop the app for about 6 ms; 5 ms is the limit." in refused.value.message


def test_the_app_does_not_stand_still_for_long(counting: Counting) -> None:
    """The longest gap of a 1 ms ticker in the app while types are counted is what the answer says of itself and little
    more, in a quiet moment: the machine has other things to do, too, and whoever waits for it says nothing of us."""
    gc.collect()
    gc.freeze()  # the test run's own heap is no small app's
    try:
        held = [Marked() for _ in range(50_000)]
        attempts = []
        end = time.monotonic() + QUIET_WITHIN_S
        while time.monotonic() < end:
            gap, counts = _longest_gap(lambda: count(counting))
            said = counts.stall_us / 1e6
            attempts.append((gap - said, gap, said))
            if said <= STALL_S and gap - said <= STALL_S:
                break
    finally:
        gc.unfreeze()

    assert len(held) == 50_000
    beyond, _, said = attempts[-1]
    assert said <= STALL_S and beyond <= STALL_S, attempts


def _longest_gap(work: Callable[[], TypeCounts]) -> tuple[float, TypeCounts]:
    done, ready = threading.Event(), threading.Event()
    gaps = [0.0]

    def tick() -> None:
        last = time.perf_counter()
        while not done.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now
            ready.set()

    ticker = threading.Thread(target=tick)
    ticker.start()
    ready.wait()
    gaps.clear()
    counts = work()
    done.set()
    ticker.join()
    return max(gaps, default=0.0), counts


def test_counting_stops_when_nobody_waits_any_more(counting: Counting) -> None:
    asked = job()
    asked.cancel()

    with pytest.raises(CommandError):
        counting.run(CountTypes(), asked)


def test_types_are_counted_over_the_socket(counting: Counting, box: Box) -> None:
    client = Client(str(box.agent.files.socket))
    client.socket.sendall(encode(Ask(1, CountTypes(20))))
    said = client.until(lambda: client.of(Answered))
    client.socket.close()

    assert isinstance(said[0].answer, TypeCounts) and len(said[0].answer.rows) == 20
