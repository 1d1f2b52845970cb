"""Counting what a cache would have answered."""

from __future__ import annotations

import msgspec
import pytest

from flasktop.protocol.events import Event
from flasktop.protocol.records import PRIVATE, Trace
from flasktop.stats import cacheability
from flasktop.stats.cacheability import CACHE_HORIZON, KEYS, Cacheability
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey
from tests.stats.builders import NOW, Source

ORDERS = EndpointKey("shop", "GET", "/orders")


class Shop:
    """One worker that serves /orders, and a store that follows it."""

    def __init__(self, store: Store | None = None, pid: int = 11) -> None:
        self.store = store or Store()
        self.source = Source(pid=pid)
        self.route = self.source.route("GET", "/orders")
        self.apply(self.source.joined(), self.source.defined())

    def apply(self, *events: Event) -> None:
        for event in events:
            self.store.apply(event)

    def answer(self, request: int, body: int, *, at: float = NOW, ms: float = 10.0, flags: int = 0) -> Event:
        trace: Trace = self.source.trace(self.route, ms=ms, ended_ms_ago=0)
        trace = msgspec.structs.replace(trace, request_key=request, body_key=body, flags=flags)
        return self.source.frame([trace], mono=at)

    def answers(self, *pairs: tuple[int, int], at: float = NOW) -> None:
        for request, body in pairs:
            self.apply(self.answer(request, body, at=at))

    def seen(self, now: float = NOW) -> Cacheability:
        found = self.store.cacheability(ORDERS, now)
        assert found is not None
        return found


def test_a_repeat_with_the_same_body_is_what_a_cache_would_have_answered() -> None:
    shop = Shop()
    shop.answers((1, 100), (2, 200), (1, 100), (1, 100))

    seen = shop.seen()

    assert (seen.keyed, seen.distinct, seen.repeats, seen.same) == (4, 2, 2, 2)
    assert (seen.keyed_ms, seen.repeat_ms, seen.same_ms) == (40.0, 20.0, 20.0)
    assert seen.hit_ratio == 0.5


def test_a_repeat_is_compared_with_the_answer_before_it() -> None:
    """Data that changes once, between the second and the third request, costs one miss."""
    shop = Shop()
    shop.answers((1, 100), (1, 100), (1, 101), (1, 101))

    seen = shop.seen()

    assert (seen.repeats, seen.same) == (3, 2)


def test_an_answer_older_than_the_horizon_is_no_repeat() -> None:
    shop = Shop()
    shop.answers((1, 100))
    shop.answers((1, 100), at=NOW + CACHE_HORIZON + 1)

    assert shop.seen(NOW + CACHE_HORIZON + 1).repeats == 0


def test_what_was_seen_before_the_horizon_counts_no_more() -> None:
    shop = Shop()
    shop.answers((1, 100), (1, 100))

    assert shop.store.cacheability(ORDERS, NOW + CACHE_HORIZON + 20) is None


def test_private_answers_are_counted() -> None:
    shop = Shop()
    shop.apply(shop.answer(1, 100, flags=PRIVATE), shop.answer(1, 100))

    assert shop.seen().private == 1


def test_the_keys_of_two_workers_say_nothing_of_each_other() -> None:
    one = Shop()
    other = Shop(one.store, pid=12)
    one.answers((1, 100))
    other.answers((1, 100))

    assert (one.seen().keyed, one.seen().repeats, one.seen().distinct) == (2, 0, 2)
    of_one = one.store.cacheability(ORDERS, NOW, worker=one.source.id)
    assert of_one is not None
    assert of_one.keyed == 1


def test_history_that_comes_late_is_left_out() -> None:
    """What it would have repeated, and what repeated it, cannot be told any more."""
    shop = Shop()
    early, late = shop.answer(1, 100, at=NOW - 5), shop.answer(1, 101, at=NOW)
    shop.apply(late, early)

    assert shop.seen().keyed == 1


def test_requests_without_keys_are_not_counted() -> None:
    shop = Shop()
    shop.apply(shop.source.frame([shop.source.trace(shop.route)]))

    assert shop.store.cacheability(ORDERS, NOW) is None


def test_counting_begins_anew_with_the_store() -> None:
    shop = Shop()
    shop.answers((1, 100))
    shop.store.reset(NOW)

    assert shop.store.cacheability(ORDERS, NOW) is None


def test_the_keys_of_an_endpoint_are_bounded() -> None:
    """Only the newest are remembered: an older one that comes again counts as new."""
    shop = Shop()
    shop.answers(*((number, 1) for number in range(KEYS + 1)), (0, 1), (KEYS, 1))

    assert shop.seen().repeats == 1


def test_the_endpoints_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cacheability, "ENDPOINTS", 1)
    shop = Shop()
    other = shop.source.route("GET", "/other")
    shop.apply(shop.source.defined())
    shop.answers((1, 100))
    trace = msgspec.structs.replace(shop.source.trace(other), request_key=1, body_key=1)
    shop.apply(shop.source.frame([trace]))

    assert shop.store.cacheability(ORDERS, NOW) is None
    assert shop.store.cacheability(EndpointKey("shop", "GET", "/other"), NOW) is not None


def test_a_quick_request_tells_no_keys() -> None:
    """Nor anything else that has a default."""
    quick = msgspec.msgpack.decode(msgspec.msgpack.encode([0, 0, 0, 1, 1, 1, 1, 1, 200, 1, "/"]), type=Trace)

    assert (quick.request_key, quick.body_key, quick.statements, quick.spans) == (-1, -1, 0, ())
