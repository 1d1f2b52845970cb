"""A shop's views, made by hand: an N+1, a slow search, failures, hostile names; and a small app to show them in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual.app import App
from textual.screen import Screen

from flasktop.protocol.events import WorkerId
from flasktop.protocol.messages import Hello
from flasktop.stats.in_flight import Died, InFlightId, InFlightView
from flasktop.stats.latencies import Latencies
from flasktop.stats.memory_views import MemoryRow
from flasktop.stats.split import Phases, TimeSplit
from flasktop.stats.views import (
    Bar,
    EndpointDetail,
    EndpointKey,
    EndpointRow,
    FoldedView,
    QueryRow,
    SpanView,
    StatementDetail,
    StatementKey,
    StatementUse,
    Summary,
    TraceId,
    TraceView,
    Window,
    WorkerRow,
)
from flasktop.steps import Steps
from flasktop.tui.feed import LiveFeed

AT = 1_700_000_000.204
WORKERS = (WorkerId(4121, 1), WorkerId(4122, 2), WorkerId(4123, 3))
ORDERS = EndpointKey("shop", "GET", "/orders")
SEARCH = EndpointKey("shop", "GET", "/search")
CART = EndpointKey("shop", "POST", "/cart")

CODE = '''"""The shop's views."""

from flask import render_template
from sqlalchemy import select

from shop.models import Item, Order, db


def orders():
    """All orders with their totals."""
    orders = db.session.scalars(select(Order).limit(100)).all()
    rows = []
    for order in orders:
        total = sum(item.price for item in order.items)
        rows.append((order, total))
    return render_template("orders.html", rows=rows)


def search(text):
    # no index on product.name
    return db.session.scalars(select(Product).where(Product.name.contains(text))).all()
'''

LIST_ORDERS = "SELECT orders.id, orders.customer_id, orders.placed_at, orders.state \nFROM orders \n LIMIT ? OFFSET ?"
LAZY_ITEMS = (
    "SELECT item.id AS item_id, item.order_id AS item_order_id, item.price AS item_price, item.title AS item_title \n"
    "FROM item \nWHERE ? = item.order_id"
)
FIND = (
    "SELECT product.id, product.name, product.price, product.stock, count(review.id) AS reviews \nFROM product "
    "LEFT OUTER JOIN review ON review.product_id = product.id \nWHERE (product.name LIKE '%' || ? || '%') AND "
    "product.hidden IN (…) GROUP BY product.id, product.name ORDER BY product.name LIMIT ?"
)


@dataclass
class Shop:
    """The reading half of a store, with everything made up; ``code`` is a file that the statements name."""

    code: str
    endpoint_details: dict[EndpointKey, EndpointDetail] = field(default_factory=dict)
    statement_details: dict[StatementKey, StatementDetail] = field(default_factory=dict)
    traces: dict[TraceId, TraceView] = field(default_factory=dict)

    def summary(self, now: float, window: Window, *, app: str | None = None, worker: WorkerId | None = None) -> Summary:
        return Summary(
            "shop", ("shop",), 3, 0, "gunicorn gthread", 7980.0, 24_720, 412.0, 8.1, 61.0, 1240.0, 0.004, 17, 131.0,
            612_000_000, 38_000_000.0, tuple(380 + i % 7 * 8.0 for i in range(40)),
            tuple(5e8 + i * 1e6 for i in range(40)), 0, AT - 600, 0.6, 9_000_000,
        )  # fmt: skip

    def endpoints(self, *_: Any, **__: Any) -> tuple[EndpointRow, ...]:
        return tuple(detail.row for detail in self.endpoint_details.values())

    def reading_endpoints(self, *_: Any, **__: Any) -> Steps[tuple[EndpointRow, ...]]:
        yield
        return self.endpoints()

    def queries(self, *_: Any, **__: Any) -> tuple[QueryRow, ...]:
        return tuple(detail.row for detail in self.statement_details.values())

    def reading_queries(self, *_: Any, **__: Any) -> Steps[tuple[QueryRow, ...]]:
        yield
        return self.queries()

    def statement_count(self, *_: Any, **__: Any) -> int:
        return len(self.statement_details)

    def workers(self, now: float, window: Window) -> tuple[WorkerRow, ...]:
        return tuple(_worker(worker, str(Path(self.code).parent.parent)) for worker in WORKERS)

    def memory(self, now: float, window: Window) -> tuple[MemoryRow, ...]:
        return ()

    def in_flight(self, now: float, *, app: str | None = None, worker: WorkerId | None = None) -> InFlightView:
        return InFlightView()

    def ended(self, request: InFlightId) -> TraceId | None:
        return None

    def died(self) -> tuple[Died, ...]:
        return ()

    def log(self, **_: Any) -> tuple[TraceView, ...]:
        return tuple(self.traces.values())

    def endpoint(self, key: EndpointKey, *_: Any, **__: Any) -> EndpointDetail | None:
        return self.endpoint_details.get(key)

    def statement(self, key: StatementKey, *_: Any, **__: Any) -> StatementDetail | None:
        return self.statement_details.get(key)

    def trace(self, trace_id: TraceId) -> TraceView | None:
        return self.traces.get(trace_id)

    def local_ids(self, key: EndpointKey | StatementKey) -> tuple[tuple[WorkerId, tuple[int, ...]], ...]:
        return ()


class DetailApp(App[None]):
    """Shows one drill-down screen on made-up views."""

    def __init__(self, shop: Shop, first: Screen[None]) -> None:
        super().__init__()
        self.shop = shop
        self.first = first
        self.moment = 1000.0
        self.feed = LiveFeed(shop, lambda: self.moment)

    def on_mount(self) -> None:
        self.push_screen(self.first)

    def copy(self, text: str) -> None:
        """What the real app does with ``y``."""
        self.copy_to_clipboard(text)

    def tick(self) -> None:
        """One refresh, as the real app does it."""
        self.moment += 1.0
        self.feed.refresh()
        refresh = getattr(self.screen, "refresh_view", None)
        if refresh is not None:
            refresh()


def lazy_key(code: str) -> StatementKey:
    """The statement of the N+1."""
    return StatementKey("sqlite:///shop.db", "statement", LAZY_ITEMS, code, 14, "Order.items")


def list_key(code: str) -> StatementKey:
    """The statement that lists the orders."""
    return StatementKey("sqlite:///shop.db", "statement", LIST_ORDERS, code, 11, "")


def find_key(code: str) -> StatementKey:
    """The slow search."""
    return StatementKey("sqlite:///shop.db", "statement", FIND, code, 21, "")


def rollback_key() -> StatementKey:
    """The roll-back on the connection's return."""
    return StatementKey("sqlite:///shop.db", "rollback", "ROLLBACK", "", 0, "")


def orders_trace(
    code: str, number: int, *, items: int = 100, beyond: int = 0, duration_ms: float = 2100.0
) -> TraceView:
    """One request of ``/orders``: a list, then one lazy load for each of ``items``, ``beyond`` of them past the cap."""
    scale = duration_ms / 2100.0
    rng = random.Random(number)
    spans = [SpanView(list_key(code), "sqlite", "orders", 1.2, 4.1 * scale, 0.9 * scale, 100, 0, "")]
    at = 9.0
    step = 1950.0 * scale / max(1, items + beyond)
    for _ in range(items):
        took = step * rng.uniform(0.82, 0.97)
        spans.append(SpanView(lazy_key(code), "sqlite", "orders", at, took * 0.92, took * 0.08, 1, 0, ""))
        at += step
    spans.append(SpanView(rollback_key(), "sqlite", "", duration_ms - 13.0, 0.2, 0.0, None, 0, ""))
    folded = (
        FoldedView(lazy_key(code), "sqlite", "orders", beyond, 0, step * beyond * 0.8, step * beyond * 0.07, beyond),
    )
    execute = sum(s.execute_ms for s in spans if s.statement.kind == "statement") + (
        folded[0].execute_ms if beyond else 0
    )
    fetch = sum(s.fetch_ms for s in spans) + (folded[0].fetch_ms if beyond else 0)
    rest = max(0.0, duration_ms - execute - fetch - 0.2)
    return TraceView(
        TraceId(WORKERS[number % 3], number), ORDERS, "orders", AT - number * 7.3, "/orders?page=•&sort=•", 200,
        duration_ms, duration_ms - 12.0, rest * 0.9, rest * 0.2, execute + fetch + 0.2, 1 + items + beyond,
        100 + items + beyond, 18_432, "", False, False, False,
        TimeSplit(execute, fetch, 0.2, 0.0, rest * 0.8, rest * 0.2, 0.0),
        Phases(duration_ms * 0.94, duration_ms * 0.06, 0.0), tuple(spans),
        folded if beyond else (),
    )  # fmt: skip


def plain_trace(key: EndpointKey, number: int, duration_ms: float, **changes: Any) -> TraceView:
    """A request without spans."""
    made = TraceView(
        TraceId(WORKERS[number % 3], number), key, key.route.strip("/"), AT - number * 3.1, key.route, 200, duration_ms,
        duration_ms * 0.9, duration_ms * 0.5, duration_ms * 0.5, 0.0, 0, 0, 512, "", False, False, False,
        TimeSplit(0, 0, 0, 0, duration_ms * 0.5, duration_ms * 0.5, 0),
        Phases(duration_ms * 0.9, duration_ms * 0.1, 0.0), (), (),
    )  # fmt: skip
    return replace(made, **changes)


def shop(code: str) -> Shop:
    """The whole shop."""
    made = Shop(code)
    slowest = [orders_trace(code, i, duration_ms=2100.0 - 95 * i) for i in range(10)]
    recent = [orders_trace(code, 20 + i, duration_ms=300.0 + 61 * (i * 7 % 10)) for i in range(10)]
    failed = [
        plain_trace(ORDERS, 40, 31.0, status=500, error="OperationalError", is_error=True),
        plain_trace(ORDERS, 41, 1800.0, status=200, error="GeneratorExit", closed_early=True),
    ]
    for trace in (*slowest, *recent, *failed):
        made.traces[trace.id] = trace
    lazy, listed, found, rolled = lazy_key(code), list_key(code), find_key(code), rollback_key()
    uses = [
        StatementUse("GET /orders", ORDERS, lazy, "sqlite", "orders", 74_400, 100.0, 19.6, 1_460_000.0, 74_400, 0.93),
        StatementUse("GET /orders", ORDERS, listed, "sqlite", "orders", 744, 1.0, 5.0, 3720.0, 74_400, 0.0024),
        StatementUse("GET /orders", ORDERS, rolled, "sqlite", "", 744, 1.0, 0.2, 148.0, 0, 0.0001),
    ]
    made.endpoint_details[ORDERS] = EndpointDetail(
        _endpoint_row(ORDERS, 744, 12.4, slowest[0].split),
        tuple(slowest),
        tuple(recent),
        tuple(failed),
        bars(744, 310),
        tuple(uses),
    )
    made.endpoint_details[SEARCH] = EndpointDetail(
        _endpoint_row(SEARCH, 486, 8.1, TimeSplit(170, 12, 0, 0, 4, 2, 0)), (), (), (), bars(486, 188),
        (StatementUse("GET /search", SEARCH, found, "sqlite", "search", 486, 1.0, 182.0, 88_452.0, 12_000, 0.9),),
    )  # fmt: skip
    for key, use, mean in ((lazy, uses[0], 19.6), (listed, uses[1], 5.0), (rolled, uses[2], 0.2)):
        elsewhere = replace(use, endpoint="<outside requests>", endpoint_key=None, count=3, per_request=0.0, share=0.0)
        made.statement_details[key] = StatementDetail(
            _query_row(key, use.count, mean), bars(use.count, mean), (use, elsewhere), tuple(slowest[:6])
        )
    made.statement_details[found] = StatementDetail(
        _query_row(found, 486, 182.0), bars(486, 182), made.endpoint_details[SEARCH].statements, ()
    )
    return made


def bars(number: int, median: float) -> tuple[Bar, ...]:
    """A log-normal distribution with a second hump far out."""
    rng = random.Random(7)
    values = [rng.lognormvariate(0, 0.5) * median * (5 if rng.random() < 0.04 else 1) for _ in range(min(number, 2000))]
    edges = [0.1 * 1.18**i for i in range(90)]
    counts = [sum(1 for value in values if low <= value < high) for low, high in pairwise(edges)]
    return tuple(Bar(low, high, n) for (low, high), n in zip(pairwise(edges), counts, strict=True))


def _endpoint_row(key: EndpointKey, count: int, rate: float, split: TimeSplit) -> EndpointRow:
    return EndpointRow(
        key, key.route.strip("/"), count, 3, rate, 341.0, Latencies.known(310.0, 612.0, 1240.0, 2100.0),
        329.0, 101.0, 200.0, split.sql,
        split.fetch, 99.0, split.wait, 18_432.0, 0.34, split,
        Phases(split.wall * 0.96, split.wall * 0.04, 0.0), {200: count - 5, 404: 2, 500: 3},
        tuple(float(6 + i * 5 % 9) for i in range(60)),
    )  # fmt: skip


def _query_row(key: StatementKey, count: int, mean: float) -> QueryRow:
    return QueryRow(
        key, "sqlite", "orders" if key.file else "", count, 0, count / 60, count, mean,
        Latencies.known(mean, mean * 1.6, mean * 2, mean * 4),
        count * mean, mean * 0.08, 0.08, 0.8, ("GET /orders",), (1.0, 2.0),
    )  # fmt: skip


def _worker(worker: WorkerId, directory: str) -> WorkerRow:
    hello = Hello(
        1,
        worker.pid,
        AT - 7980,
        AT - 7980,
        0.0,
        AT,
        ("shop",),
        1,
        "gunicorn gthread",
        directory,
        "0.1",
        "3.11",
        "3.1",
        "2.0",
        (),
    )
    return WorkerRow(
        worker, "live", hello, AT, AT + 1e9, 7980.0, 200_000_000, None, None, 44.0, 5, 20, 6, 9000,
        130.0, 12, 3.0, 900, 0.2, 3_000_000,
        (), 0, (), (),
    )  # fmt: skip


def write_code(folder: Path) -> str:
    """The shop's views as a file; its path."""
    path = folder / "shop" / "views.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CODE)
    return str(path)


def texts(lines: Sequence[Any]) -> list[str]:
    """The plain text of lines."""
    return [getattr(line, "text", line).plain for line in lines]
