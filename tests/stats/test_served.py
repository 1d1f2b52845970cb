from __future__ import annotations

import pytest

from flasktop.stats.served import Served
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey, Window
from tests.stats.builders import NOW, Source

ORDERS = EndpointKey("shop", "GET", "/orders")


def worker(store: Store, pid: int, *durations_ms: float) -> tuple[Source, int]:
    """A live worker that answered so many requests."""
    source = Source(pid=pid)
    route = source.route("GET", "/orders")
    store.apply(source.joined())
    store.apply(source.defined())
    answer(store, source, route, *durations_ms)
    return source, route


def answer(store: Store, source: Source, route: int, *durations_ms: float) -> None:
    traces = [source.trace(route, ms=ms) for ms in durations_ms]
    store.apply(source.frame(traces, mono=NOW))


def test_each_worker_has_its_own_counts_and_means() -> None:
    store = Store()
    worker(store, 11, 10, 20)
    worker(store, 12, 300)

    assert {who.pid: dict(what) for who, what in store.served().items()} == {
        11: {ORDERS: Served(2, 15.0)},
        12: {ORDERS: Served(1, 300.0)},
    }


@pytest.mark.parametrize("totalled", [False, True], ids=["traces alone", "totals too"])
def test_a_reset_counts_anew(totalled: bool) -> None:
    """Also where the worker's own totals, which go on since its start, come afterwards."""
    store = Store()
    source, route = worker(store, 11, 10, 20)
    store.reset(NOW)
    answer(store, source, route, 40)
    if totalled:
        store.apply(source.totalled())

    assert [dict(what) for what in store.served().values()] == [{ORDERS: Served(1, 40.0)}]


def test_it_agrees_with_the_rows_of_the_worker() -> None:
    store = Store()
    source, _ = worker(store, 11, 10, 20, 60)
    store.apply(source.totalled())
    (row,) = store.endpoints(NOW, Window.ALL, worker=next(iter(store.served())))

    assert store.served().popitem()[1][ORDERS] == Served(row.count, row.mean_ms or 0.0)
