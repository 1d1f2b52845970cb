"""An invented shop under load, as events: the same figures at every run, for tests and for looking."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from flasktop.client.apps import RunningApp
from flasktop.client.ask import A, CommandFailedError, OnWorking
from flasktop.errors import FlasktopError
from flasktop.protocol.commands import NOT_GRANTED, Command
from flasktop.protocol.events import DiedRequest, Event, WorkerId
from flasktop.protocol.records import COMMIT, ROLLBACK, STATEMENT, OutsideSpan, Pool, Span
from tests.stats.builders import NOW, Source, make_sample, make_span, make_statement

SERVER = "gunicorn gthread"


@dataclass(frozen=True)
class Fault:
    """One endpoint: requests a second over all workers, usual ms, and its statements: (name, times, ms, fetch ms)."""

    method: str
    route: str
    rate: float
    ms: float
    cpu: float
    sql: tuple[tuple[str, int, float, float], ...] = ()
    failing: float = 0.0
    status: int = 200


STATEMENTS = {
    "orders": ("SELECT orders.id, orders.placed_at FROM orders ORDER BY orders.placed_at DESC LIMIT ?", 21, "", 100),
    "items": (
        "SELECT item.id AS item_id, item.order_id, item.price_cents, item.quantity\nFROM item\nWHERE item.order_id = ?",
        22, "Order.items", 3,
    ),
    "search": ("SELECT product.id, product.name FROM product WHERE lower(product.name) LIKE lower(?)", 41, "", 12),
    "report": ("SELECT count(*) AS count_1, sum(orders.total) FROM orders GROUP BY orders.day", 58, "", 30),
    "all": ("SELECT product.id, product.name, product.price FROM product", 63, "", 12_000),
    "page": ("SELECT product.id, product.name FROM product ORDER BY product.id LIMIT ? OFFSET ?", 70, "", 20),
    "product": ("SELECT product.id, product.name, product.price FROM product WHERE product.id = ?", 77, "", 1),
    "cart": ("INSERT INTO cart (customer_id, product_id, quantity) VALUES (?, ?, ?)", 90, "", 0),
    "stats": ("SELECT review.stars, count(*) FROM review GROUP BY review.stars", 101, "", 5),
}  # fmt: skip

ENDPOINTS = (
    Fault("GET", "/orders", 12.4, 310, 70, (("orders", 1, 2.0, 0.9), ("items", 101, 1.6, 0.3))),
    Fault("GET", "/search", 8.1, 188, 4, (("search", 1, 160, 20),)),
    Fault("POST", "/report", 1.2, 2010, 12, (("report", 3, 4, 1),)),
    Fault("GET", "/products/all", 3.9, 240, 90, (("all", 1, 14, 120),)),
    Fault("GET", "/stats", 6.6, 96, 80, (("stats", 2, 5, 1),)),
    Fault("GET", "/export.csv", 0.4, 840, 300, (("all", 1, 40, 300),)),
    Fault("GET", "/products", 30.2, 7.2, 3, (("page", 2, 1.2, 0.4),)),
    Fault("GET", "/product/<int:id>", 60.3, 3.1, 1.4, (("product", 1, 0.9, 0.1),)),
    Fault("POST", "/cart", 21.0, 6.4, 2, (("product", 3, 0.4, 0.1), ("cart", 1, 0.6, 0)), failing=0.021),
    Fault("GET", "/", 27.9, 2.2, 1.9),
    Fault("GET", "/static/<path:filename>", 9.8, 0.8, 0.6),
    Fault("*", "<unmatched>", 0.9, 0.6, 0.5, status=404),
)


@dataclass
class Shop:
    """The shop's workers. ``seconds(a, b)`` yields the events of the seconds from ``a`` to ``b`` (0: ``NOW``)."""

    directory: str = "/srv/shop"
    pids: Sequence[int] = (4119, 4120, 4121)
    load: float = 1.0
    extra: Sequence[Fault] = ()
    offset: float = 0.0
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.endpoints = (*ENDPOINTS, *self.extra)
        self.workers = [Source(pid=pid, age_s=7980.0 - i, offset=self.offset) for i, pid in enumerate(self.pids)]
        self.routes: dict[str, int] = {}
        self.statements: dict[str, int] = {}
        for worker in self.workers:
            self._define(worker)
        self._due = {each.method + each.route: 0.0 for each in self.endpoints}

    def _define(self, worker: Source) -> None:
        for each in self.endpoints:
            self.routes[each.method + each.route] = worker.route(each.method, each.route)
        file = str(Path(self.directory) / "views/orders.py")
        named = [(name, STATEMENT, *rest) for name, rest in STATEMENTS.items()]
        named += [("commit", COMMIT, "COMMIT", 94, "", 0), ("rollback", ROLLBACK, "ROLLBACK", 0, "", 0)]
        for name, kind, text, line, relationship, _rows in named:
            self.statements[name] = len(worker.statements)
            worker.statements.append(
                make_statement(
                    len(worker.statements), text, kind=kind, file=file if line else "", line=line,
                    function=f"{name}_view", relationship=relationship, engine="postgresql://db/shop",
                )
            )  # fmt: skip

    def opening(self) -> list[Event]:
        """The workers answer."""
        events: list[Event] = []
        for worker in self.workers:
            joined = worker.joined()
            hello = msgspec.structs.replace(joined.hello, directory=self.directory, server=SERVER)
            events += [replace(joined, hello=hello), worker.defined(), worker.state("live")]
        return events

    def caught_up(self) -> list[Event]:
        """History is over."""
        return [worker.caught_up() for worker in self.workers]

    def seconds(self, since: int, until: int) -> Iterator[Event]:
        """One frame a second and worker."""
        for second in range(since, until):
            shares: list[list[Fault]] = [[] for _ in self.workers]
            for each in self.endpoints:
                name = each.method + each.route
                self._due[name] += each.rate * self.load * (1 + 0.25 * self.random.uniform(-1, 1))
                while self._due[name] >= 1:
                    self._due[name] -= 1
                    shares[self.random.randrange(len(shares))].append(each)
            for i, worker in enumerate(self.workers):
                yield self._frame(worker, i, shares[i], second)

    def _frame(self, worker: Source, index: int, share: Sequence[Fault], second: int) -> Event:
        traces = [worker.trace(self.routes[each.method + each.route], **self._how(each)) for each in share]
        pools = (Pool("postgresql://db/shop", 5, self.random.randrange(1, 6), self.random.choice((0, 0, 1)), 2),)
        sample = make_sample(
            rss_mb=180 + index * 14 + (second + 600) * 0.012,
            cpu_percent=self.random.uniform(24, 58),
            in_flight=self.random.randrange(0, 7),
            requests=len(worker.made),
            pools=pools,
        )
        outside = [OutsideSpan(make_span(self.statements["rollback"], execute_ms=0.2, fetch_ms=0, rows=-1), 1000)]
        return worker.frame(traces, mono=NOW + second, sample=sample, live=second >= 0, outside=outside)

    def _how(self, each: Fault) -> dict[str, object]:
        factor = min(8.0, self.random.lognormvariate(0, 0.35))
        spans: list[Span] = []
        at = 1.0
        for name, times, execute, fetch in each.sql:
            for _ in range(times):
                spans.append(
                    make_span(
                        self.statements[name], start_ms=at * factor, execute_ms=execute * factor,
                        fetch_ms=fetch * factor, rows=STATEMENTS[name][3],
                    )
                )  # fmt: skip
                at += execute + fetch
        failed = self.random.random() < each.failing
        return {
            "ms": each.ms * factor,
            "cpu_ms": min(each.cpu * factor, each.ms * factor),
            "first_byte_ms": each.ms * factor * 0.9,
            "spans": spans,
            "status": 500 if failed else each.status,
            "error": "IntegrityError" if failed else "",
            "path": each.route.replace("<int:id>", "812").replace("<path:filename>", "shop.css"),
            "bytes_sent": 18_400,
            "ended_ms_ago": self.random.uniform(0, 900),
            "other_ms": 0.8 if each.route == "/cart" else 0.0,
        }

    def death(self, index: int = 0) -> list[Event]:
        """One worker is killed with a request in flight."""
        worker = self.workers[index]
        request = DiedRequest("shop", worker.pid, "POST", "/report", "/report", 31_204.0)
        return [worker.state("died", died=(request,))]


SHOP = RunningApp(
    name="shop", names=("shop",), group=4118, directory="/srv/shop", server=SERVER, workers=(), sockets=(),
    started_at=0.0, first_seen=0.0,
)  # fmt: skip


class Feeding:
    """A source that gives what it is told, as ``Watcher`` would."""

    def __init__(self, *, chosen: RunningApp | None = SHOP, apps: Sequence[RunningApp] = (SHOP,)) -> None:
        self.turn = asyncio.Lock()
        self.way = asyncio.Event()
        self.way.set()
        self.searched: tuple[str, ...] = ("/run/user/1000/flasktop", "/tmp/flasktop-1000")
        self.problems: tuple[FlasktopError, ...] = ()
        self.running = tuple(apps)
        self.dead: tuple[RunningApp, ...] = ()
        self._chosen = chosen
        self._take: Callable[[Sequence[Event]], None] | None = None
        self._kept: list[Event] = []
        self.answers: dict[type, Any] = {}
        self.asked: list[tuple[WorkerId, Command]] = []

    @property
    def chosen(self) -> RunningApp | None:
        return self._chosen

    def apps(self) -> tuple[RunningApp, ...]:
        return self.running

    def dead_apps(self) -> tuple[RunningApp, ...]:
        return self.dead

    def choose(self, app: RunningApp) -> None:
        self._chosen = app

    def give(self, events: Sequence[Event]) -> None:
        """Hand events on, now or as soon as someone listens."""
        if self._take is None:
            self._kept += events
        else:
            self._take(events)

    async def ask(self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None) -> A:
        """Answer with what ``answers`` holds for the command's type: an answer, an error, or a function of both; one
        that is ``async`` gets ``on_working`` too. What it holds nothing for (what rules ask for behind the scenes) is
        refused, as by a worker that grants nothing."""
        if type(command) not in self.answers:
            raise CommandFailedError("The app does not allow it.", "Set FLASKTOP_GRANTS.", NOT_GRANTED)
        self.asked.append((worker, command))
        found = self.answers[type(command)]
        if inspect.iscoroutinefunction(found):
            found = await found(worker, command, on_working)
        elif callable(found):
            found = found(worker, command)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, answer)
        return found

    async def run(self, on_events: Callable[[Sequence[Event]], None]) -> None:
        self._take = on_events
        on_events(self._kept)
        await asyncio.Event().wait()
