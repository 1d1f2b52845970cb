"""The live tier on real workers under load: the line that leaks is named, growth is told of the endpoint that grows,
and no answer is lost."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from flasktop.client.ask import CommandFailedError
from flasktop.client.watch import Watcher
from flasktop.demo.shop.seed import stock
from flasktop.protocol.commands import BUSY, IMPOSSIBLE
from flasktop.protocol.commands.memory import AllocationSites, CountTypes, TraceAllocations, TypeCounts
from flasktop.protocol.events import WorkerId
from flasktop.stats.memory_views import EndpointGrowth
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.e2e.conftest import Serve
from tests.e2e.servers import PATIENCE, Kind, Server, gunicorn

pytestmark = pytest.mark.e2e

APP = "tests.e2e.memory_app:create_app()"
QUOTES = ("POST", "/quotes", 201)
PRODUCTS = ("GET", "/products", 200)
SYNC = Kind("gunicorn sync", gunicorn("-k", "sync", app=APP, workers=1), 1)
KINDS = (
    SYNC,
    Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "4", app=APP, workers=1), 1),
    Kind("gunicorn gevent", gunicorn("-k", "gevent", app=APP, workers=1), 1),
)

T = TypeVar("T")
Call = tuple[str, str, int]


@pytest.fixture
def shop(serve: Serve, tmp_path: Path) -> Callable[[Kind], Server]:
    """Start the shop under a server."""

    def start(kind: Kind) -> Server:
        url = f"sqlite:///{tmp_path / 'shop.db'}"
        stock(url)
        server = serve(kind, E2E_DATABASE=url)
        assert make(server, PRODUCTS) == 200
        return server

    return start


def make(server: Server, call: Call) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request(call[0], call[1], headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@contextmanager
def visited(server: Server, *calls: Call, rest: float = 0.0) -> Iterator[None]:
    """A visitor for each of ``calls``, who rests ``rest`` times as long as an answer took; every answer must be what it
    should be."""
    stop = threading.Event()
    wrong: Counter[tuple[Call, object]] = Counter()

    def visit(call: Call) -> None:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                status: object = make(server, call)
            except OSError as error:
                status = repr(error)
            if status != call[2]:
                wrong[call, status] += 1
            stop.wait(rest * (time.monotonic() - begun))

    visitors = [threading.Thread(target=visit, args=(call,)) for call in calls]
    for visitor in visitors:
        visitor.start()
    try:
        yield
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert not wrong, f"{wrong}\n{server.said()}"


def reading(directory: Path, act: Callable[[Watcher, Store, WorkerId], Coroutine[Any, Any, T]]) -> T:
    """Follow the only worker, and let ``act`` ask it or look at what it told."""

    async def run() -> T:
        store = Store()

        def take(events: Any) -> None:
            for event in events:
                store.apply(event)

        watcher = Watcher(None, directory=str(directory))
        following = asyncio.create_task(watcher.run(take))
        try:
            end = time.monotonic() + PATIENCE
            while not (rows := store.workers(time.monotonic(), Window.MINUTE)) or rows[0].rss_bytes is None:
                assert time.monotonic() < end, "no worker answered"
                await asyncio.sleep(0.02)
            return await act(watcher, store, rows[0].worker)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    return asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_the_line_that_leaks_is_named_under_load(shop: Callable[[Kind], Server], directory: Path, kind: Kind) -> None:
    async def trace(watcher: Watcher, store: Store, worker: WorkerId) -> AllocationSites:
        return await watcher.ask(worker, TraceAllocations(4.0), AllocationSites)

    server = shop(kind)
    with visited(server, QUOTES, QUOTES, PRODUCTS):
        answer = reading(directory, trace)

    assert answer.requests > 0 and answer.bytes > 0
    assert [site.file.rpartition("/")[2] for site in answer.sites[:2]].count("quotes.py") >= 1
    assert not [site for site in answer.sites if "/flasktop/agent/" in site.file]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_objects_are_counted_or_it_is_said_why_not_under_load(
    shop: Callable[[Kind], Server], directory: Path, kind: Kind
) -> None:
    """The shop's objects are about as many as can be listed unnoticed: either is right."""

    async def count(watcher: Watcher, store: Store, worker: WorkerId) -> TypeCounts | CommandFailedError:
        try:
            return await watcher.ask(worker, CountTypes(), TypeCounts)
        except CommandFailedError as refused:
            return refused

    server = shop(kind)
    with visited(server, QUOTES, PRODUCTS):
        answer = reading(directory, count)

    if isinstance(answer, CommandFailedError):
        assert answer.reason == IMPOSSIBLE and "would stop the app for about" in answer.message
    else:
        names = {row.name: row.count for row in answer.rows}
        assert names["dict"] > 100 and answer.objects > 10_000


def test_tracing_ends_when_the_reader_leaves(shop: Callable[[Kind], Server], directory: Path) -> None:
    async def leave_and_come_back(watcher: Watcher, store: Store, worker: WorkerId) -> AllocationSites:
        told = asyncio.Event()
        asked = asyncio.create_task(
            watcher.ask(worker, TraceAllocations(60.0), AllocationSites, lambda working: told.set())
        )
        await told.wait()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        end = time.monotonic() + PATIENCE
        while isinstance(answer := await ask(watcher, worker), CommandFailedError):
            assert answer.reason == BUSY and time.monotonic() < end, answer
            await asyncio.sleep(0.05)
        return answer

    async def ask(watcher: Watcher, worker: WorkerId) -> AllocationSites | CommandFailedError:
        try:
            return await watcher.ask(worker, TraceAllocations(0.2), AllocationSites)
        except CommandFailedError as busy:
            return busy

    server = shop(SYNC)
    with visited(server, PRODUCTS):
        answer = reading(directory, leave_and_come_back)

    assert answer.seconds < 60


@pytest.mark.timeout(400)  # it waits for moments in which one endpoint alone is at work
def test_growth_is_told_of_the_endpoint_that_leaks_and_not_of_the_healthy_one(
    shop: Callable[[Kind], Server], directory: Path
) -> None:
    """Where requests of one endpoint run alone, and mostly none runs, however slow the machine is just now."""
    server = shop(SYNC)

    def told(
        route: str, enough: Callable[[EndpointGrowth], bool]
    ) -> Callable[[Watcher, Store, WorkerId], Coroutine[Any, Any, EndpointGrowth]]:
        async def wait(watcher: Watcher, store: Store, worker: WorkerId) -> EndpointGrowth:
            end = time.monotonic() + 3 * PATIENCE
            while True:
                (row,) = store.memory(time.monotonic(), Window.MINUTE)
                found = [each for each in row.growth if each.key.route == route and enough(each)]
                if found:
                    return found[0]
                assert time.monotonic() < end, row.growth
                await asyncio.sleep(0.1)

        return wait

    with visited(server, QUOTES, rest=4.0):
        leaky = reading(directory, told("/quotes", lambda growth: growth.blocks is not None))
    with visited(server, PRODUCTS, rest=4.0):
        healthy = reading(directory, told("/products", lambda growth: growth.intervals >= 10))

    assert leaky.blocks is not None and leaky.blocks > 80, leaky
    # No growth, or none that could be told from what comes and goes, or the little that no collection has freed yet.
    assert healthy.blocks is None or abs(healthy.blocks) < leaky.blocks / 4, healthy
