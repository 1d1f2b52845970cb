"""What a request leaves behind: told where requests of one endpoint ran alone, and said not to be elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from flasktop.stats.growth import KEPT, MAX_ENDPOINTS, MIN_INTERVALS
from flasktop.stats.memory_views import EndpointGrowth
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.stats.builders import NOW, Source, make_sample


@dataclass
class Running:
    """One worker, second by second; ``blocks`` and ``rss`` are what it holds, ``full`` its full collections."""

    store: Store = field(default_factory=Store)
    source: Source = field(default_factory=Source)
    second: int = 0
    blocks: int = 300_000
    rss: int = 100_000_000
    full: int = 0

    def __post_init__(self) -> None:
        self.leaky = self.source.route("POST", "/quotes")
        self.healthy = self.source.route("GET", "/orders")
        self.store.apply(self.source.joined())
        self.store.apply(self.source.defined())
        self.go(0)

    def go(self, requests: int, *routes: int, seq: int = 0, finished: int | None = None, **changes: Any) -> None:
        """A second with so many requests of each of ``routes``; ``changes`` are the sample's, ``seq`` frames lost."""
        self.second += 1
        self.source.seq += seq
        usual: dict[str, Any] = {
            "allocated_blocks": self.blocks,
            "rss_bytes": self.rss,
            "gc_counts": (0, 0, self.full),
            "gc_pauses_us": (0, 0, 0),
            "gc_longest_us": (0, 0, 0),
        }
        sample = msgspec.structs.replace(make_sample(cpu_percent=5.0), **{**usual, **changes})
        traces = [self.source.trace(route) for route in routes for _ in range(requests)]
        self.store.apply(
            self.source.frame(traces, mono=NOW + self.second, sample=sample, totals=True, finished=finished)
        )

    def growth(self) -> dict[str, EndpointGrowth]:
        (row,) = self.store.memory(NOW + self.second, Window.MINUTE)
        return {each.key.route: each for each in row.growth}


def leak(running: Running, each: int, seconds: int = 10, *, beside: Callable[[int], int] = lambda second: 0) -> None:
    """``seconds`` with 10 leaky requests each, ``beside`` blocks coming or going with it."""
    held = running.blocks
    for second in range(seconds):
        held += 10 * each
        running.rss += 10 * each * 64
        running.blocks = held + beside(second)
        running.go(10, running.leaky)


def test_a_leak_is_told_in_blocks_a_request() -> None:
    running = Running()
    leak(running, 400)

    told = running.growth()["/quotes"]
    assert (told.blocks, told.intervals, told.requests) == (400, 10, 100)
    assert told.rss_bytes == 400 * 64


def test_a_leak_without_a_full_collection_may_be_garbage_and_says_so() -> None:
    running = Running()
    leak(running, 400)
    assert "no full collection" in running.growth()["/quotes"].why
    running.full = 1
    leak(running, 400)

    assert running.growth()["/quotes"].why == ""


def test_an_endpoint_that_leaves_nothing_grows_by_nothing() -> None:
    running = Running()
    for second in range(12):
        running.blocks += (-1) ** second * 9
        running.go(10, running.healthy)

    told = running.growth()["/orders"]
    assert (told.blocks, told.rss_bytes, told.why) == (0.0, None, "")


def test_garbage_that_is_collected_now_and_then_is_no_leak() -> None:
    """It grows by 200 blocks a request for seven seconds of eight; the eighth takes it all away."""
    running = Running()
    leak(running, 0, 48, beside=lambda second: second % 8 * 2_000)

    told = running.growth()["/quotes"]
    assert told.blocks is None and told.why.startswith("uneven: from ")


def test_nothing_is_told_of_endpoints_that_ran_at_the_same_time() -> None:
    running = Running()
    for _ in range(20):
        running.blocks += 4_000
        running.go(10, running.leaky, running.healthy)

    for told in running.growth().values():
        assert told.blocks is None and told.why == "other work ran beside it in 20 of 20 intervals"


def test_intervals_with_one_endpoint_alone_tell_it_in_the_midst_of_others() -> None:
    running = Running()
    for _ in range(8):
        running.go(10, running.healthy)
        leak(running, 300, 1)
        running.blocks += 50_000
        running.go(3, running.healthy, running.leaky)

    told = running.growth()
    assert told["/quotes"].blocks == 300 and told["/orders"].blocks == 0


def test_too_few_intervals_tell_nothing() -> None:
    running = Running()
    leak(running, 400, MIN_INTERVALS - 1)

    told = running.growth()["/quotes"]
    assert told.blocks is None and told.why.startswith("too few: 40 requests in 4 intervals")


def test_requests_in_flight_at_either_end_spoil_an_interval() -> None:
    running = Running()
    for second in range(20):
        running.blocks += 4_000
        running.go(10, running.leaky, in_flight=(second + 1) % 2)

    assert running.growth()["/quotes"].intervals == 0


def test_frames_and_requests_that_are_missing_spoil_an_interval() -> None:
    running = Running()
    for second in range(10):
        running.go(10, running.leaky, seq=second % 2, finished=10 if second % 2 else 11)

    assert running.growth()["/quotes"].intervals == 0


def test_cpu_that_no_request_burnt_spoils_an_interval() -> None:
    running = Running()
    for _ in range(10):
        running.go(10, running.leaky, cpu_percent=60.0)

    assert running.growth()["/quotes"].intervals == 0


def test_where_blocks_are_not_counted_it_says_so() -> None:
    running = Running()
    for _ in range(10):
        running.go(10, running.leaky, allocated_blocks=-1)

    assert running.growth()["/quotes"].why == "allocated blocks are not counted here"


def test_old_frames_that_come_late_change_nothing() -> None:
    running = Running()
    leak(running, 400)
    before = running.growth()
    running.source.seq = 3
    running.go(1, running.healthy)

    assert running.growth() == before


def test_what_is_kept_is_bounded() -> None:
    running = Running()
    leak(running, 1, 3 * KEPT)
    routes = [running.source.route("GET", f"/{number}") for number in range(MAX_ENDPOINTS + 50)]
    running.store.apply(running.source.defined())
    for route in routes:
        running.go(1, route)

    told = running.growth()
    assert len(told) == MAX_ENDPOINTS and told["/quotes"].intervals == KEPT
