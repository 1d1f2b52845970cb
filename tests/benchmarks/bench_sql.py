"""What the SQLAlchemy hooks cost: CPU microseconds a statement, without and with them.

    python -m tests.benchmarks.bench_sql [ROUNDS]

One process never loads the hooks, the other records into a request (user's line, rows, fetch time, the thread's CPU
clock). They take turns, so that a busy machine disturbs both alike; medians of the rounds are printed. SQLite in
memory: the database itself costs next to nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from time import thread_time_ns
from typing import Any

STATEMENTS = 400


def scenarios() -> dict[str, Callable[[], object]]:
    from sqlalchemy import Column, ForeignKey, Integer, String, create_engine, insert, select, text
    from sqlalchemy.orm import Session, declarative_base, relationship
    from sqlalchemy.pool import StaticPool

    base = declarative_base()

    class Order(base):  # type: ignore[misc, valid-type]
        __tablename__ = "orders"
        id = Column(Integer, primary_key=True)
        name = Column(String)
        items = relationship("Item")

    class Item(base):  # type: ignore[misc, valid-type]
        __tablename__ = "items"
        id = Column(Integer, primary_key=True)
        order_id = Column(ForeignKey("orders.id"))  # type: ignore[var-annotated]

    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    base.metadata.create_all(engine)
    session = Session(engine)
    session.add_all([Order(name=str(n), items=[Item(), Item()]) for n in range(100)])
    session.commit()
    connection = session.connection()
    one: Any = select(Order.id, Order.name).where(Order.id == 7)
    ten: Any = select(Order.id, Order.name).limit(10)
    hundred: Any = select(Order.id, Order.name)
    raw = text("select id, name from orders where id = 7")
    orders = session.execute(select(Order)).scalars().all()

    def lazy() -> object:
        session.expire(orders[7], ["items"])
        return orders[7].items

    return {
        "core select, fetchall": lambda: connection.execute(one).all(),
        "core text, first": lambda: connection.execute(raw).first(),
        "core select, 10 rows, iterated": lambda: list(connection.execute(ten)),
        "core select, 100 rows, iterated": lambda: list(connection.execute(hundred)),
        "orm select, one entity": lambda: session.execute(select(Order).where(Order.id == 7)).scalars().all(),
        "orm lazy load, 2 entities": lazy,
        "core insert": lambda: connection.execute(insert(Item), {"order_id": 3}),
    }


def worker(hooked: bool) -> None:
    """Measure one scenario each time a line comes in, and print CPU nanoseconds a statement."""
    work = scenarios()
    forget = _record() if hooked else None
    for line in sys.stdin:
        call = work[line.strip()]
        call()
        start = thread_time_ns()
        for _ in range(STATEMENTS):
            call()
        print((thread_time_ns() - start) / STATEMENTS, flush=True)
        if forget is not None:
            forget()


def _record() -> Callable[[], None]:
    """Record into a request; what is returned forgets the spans so far."""
    from flasktop.agent.sql import install
    from flasktop.agent.trace import AppInfo, RequestTrace, current_trace, sink

    trace = RequestTrace(AppInfo("bench"), "GET", "/", "", 1)
    trace.cpu_start_ns = 1
    current_trace.set(trace)
    sink.span_cap = STATEMENTS * 10
    sink.seen_cap = 256
    sink.active = install()

    def forget() -> None:
        trace.spans = []

    return forget


def main(rounds: int) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.bench_sql", "--worker"]
    workers = [
        subprocess.Popen([*command, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for kind in ("bare", "hooked")
    ]
    print(f"{'CPU microseconds a statement':34}{'bare':>8}{'hooked':>8}{'added':>8}")
    for name in scenarios():
        figures: list[list[float]] = [[], []]
        for _ in range(rounds):
            for process, figure in zip(workers, figures, strict=True):
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(f"{name}\n")
                process.stdin.flush()
                figure.append(float(process.stdout.readline()) / 1000)
        bare, hooked = (statistics.median(figure) for figure in figures)
        added = statistics.median(b - a for a, b in zip(*figures, strict=True))
        print(f"{name:34}{bare:8.1f}{hooked:8.1f}{added:8.1f}")
    for process in workers:
        process.communicate()


if __name__ == "__main__":
    if "--worker" in sys.argv:
        worker(sys.argv[-1] == "hooked")
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
