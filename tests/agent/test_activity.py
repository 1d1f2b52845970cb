"""What requests in flight do at the moment: told apart in real threads, from outside."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.pool import QueuePool

from flasktop import Middleware
from flasktop.agent.activity import Activity, Observer, statements_of, thread_of
from flasktop.agent.cpu import thread_cpu_ns
from flasktop.agent.process import process
from flasktop.agent.trace import UNREAD, RequestTrace
from flasktop.protocol.records import CONNECT, CPU, DOING_UNKNOWN, POOL_WAIT, SQL, STATEMENT, UNKNOWN, WAIT, InFlight
from tests.agent.support import Box, serve, until

go = threading.Event()


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    go.clear()
    yield
    go.set()


@contextmanager
def serving(view: Callable[[], object], name: str = "") -> Iterator[RequestTrace]:
    """A request that is in ``view`` until ``go`` is set."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        view()
        start_response("200 OK", [])
        return [b"x"]

    thread = threading.Thread(target=serve, args=(Middleware(app, name="shop"),), name=name or None)
    thread.start()
    yield until(
        lambda: (
            next((trace for trace in process.agent.running if trace and trace.thread), None) if process.agent else None
        )
    )
    go.set()
    thread.join()


def burn() -> None:
    while not go.is_set():
        sum(range(100))


def sleep() -> None:
    while not go.is_set():
        time.sleep(0.2)


def read_a_socket() -> None:
    here, there = socket.socketpair()

    def answer() -> None:
        go.wait(60)
        there.sendall(b"x")

    threading.Thread(target=answer).start()
    with here, there:
        here.recv(1)


def until_doing(trace: RequestTrace, doing: str) -> Activity:
    observer = Observer(0)

    def looked() -> Activity | None:
        time.sleep(0.02)
        now = observer.observe([trace])[trace]
        return now if now.doing == doing else None

    found: Activity = until(looked)
    return found


@pytest.mark.parametrize(
    ("view", "doing"), [(burn, CPU), (sleep, WAIT), (lambda: go.wait(60), WAIT), (read_a_socket, WAIT)]
)
def test_computing_and_waiting_are_told_apart(box: Box, view: Callable[[], object], doing: str) -> None:
    with serving(view) as trace:
        now = until_doing(trace, doing)
        held = [until_doing(trace, doing) for _ in range(3)]

    assert now.kind == "" and now.cpu_ns >= 0
    assert all(trace.start_ns <= one.since_ns for one in held)


def test_what_a_request_has_done_for_long_is_dated_back_to_when_it_began(box: Box) -> None:
    observer = Observer(0)
    with serving(sleep) as trace:
        until(lambda: observer.observe([trace])[trace].doing == WAIT)
        first = observer.observe([trace])[trace]
        time.sleep(0.05)
        later = observer.observe([trace])[trace]

    assert first.since_ns == later.since_ns


def test_a_statement_under_way_is_named(box: Box) -> None:
    engine = sqlalchemy.create_engine("sqlite://")

    def query() -> None:
        with engine.connect() as connection:
            connection.connection.create_function("hang", 0, lambda: int(go.wait(60)))
            connection.execute(sqlalchemy.text("select 1")).all()
            connection.execute(sqlalchemy.text("select hang() where 7 = 7")).all()
        engine.dispose()

    def hanging(shown: InFlight) -> bool:
        return shown.statement >= 0 and box.statements[shown.statement].text == "select hang() where ? = ?"

    with serving(query, "worker-9") as trace:
        until_doing(trace, SQL)
        until(lambda: statements_of(trace) == 1)
        (shown,) = box.sample(lambda sample: sample.running and hanging(sample.running[0])).running

        assert (shown.doing, shown.kind, shown.thread) == (SQL, STATEMENT, "worker-9")
        assert 0 <= shown.doing_us <= shown.age_us and shown.begun_us == trace.start_ns // 1000
        assert shown.app == "shop" and shown.statements == 1

    assert until(lambda: trace.database is not None) and trace.database.under_way() is None  # type: ignore[union-attr]


def test_waiting_for_the_pool_is_named(box: Box) -> None:
    shared = {"check_same_thread": False}
    engine = sqlalchemy.create_engine(
        "sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, connect_args=shared
    )
    held = engine.connect()

    def query() -> None:
        engine.connect().close()
        engine.dispose()

    with serving(query) as trace:
        now = until_doing(trace, SQL)
        held.close()

    assert now.kind == POOL_WAIT


def test_connecting_is_named(box: Box) -> None:
    engine = sqlalchemy.create_engine("sqlite://")

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def hang(*arguments: object) -> None:
        go.wait(60)

    def connect() -> None:
        engine.connect().close()
        engine.dispose()

    with serving(connect) as trace:
        now = until_doing(trace, SQL)

    assert now.kind == CONNECT


def test_a_thread_of_the_servers_own_making_is_unknown(box: Box) -> None:
    """Not made by Python's threading module: nobody knows what the system calls it."""
    from _thread import start_new_thread

    ended = threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        go.wait(60)
        start_response("200 OK", [])
        return [b"x"]

    def run() -> None:
        serve(Middleware(app, name="shop"))
        ended.set()

    start_new_thread(run, ())
    trace = until(
        lambda: (
            next((trace for trace in process.agent.running if trace and trace.thread), None) if process.agent else None
        )
    )
    (now,) = Observer(0).observe([trace]).values()
    go.set()
    ended.wait(10)

    assert (now.doing, now.cpu_ns, now.thread_id) == (DOING_UNKNOWN, UNKNOWN, UNKNOWN)


def test_the_clock_of_a_thread_that_has_gone_is_unknown() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    native = thread.native_id
    thread.join()

    assert native is not None and until(lambda: thread_cpu_ns(0, native) == UNKNOWN)
    assert thread_of(0) == (UNKNOWN, "")


def test_a_clock_that_is_not_the_requests_thread_says_nothing(box: Box) -> None:
    """An id that was given to another thread since: it cannot have used less CPU than at the request's start."""
    with serving(sleep) as trace:
        (now,) = Observer(0, clock=lambda native: trace.cpu_start_ns - 1).observe([trace]).values()

    assert (now.doing, now.cpu_ns) == (DOING_UNKNOWN, UNKNOWN)


def test_a_request_whose_clock_was_not_read_is_told_from_the_second_look_on(box: Box) -> None:
    with serving(burn) as trace:
        trace.cpu_start_ns = UNREAD
        clock = {"ns": 5_000_000_000}
        observer = Observer(0, clock=lambda native: clock["ns"])
        (first,) = observer.observe([trace]).values()
        clock["ns"] += 60_000_000_000  # more than can have passed
        (second,) = observer.observe([trace]).values()

    assert (first.doing, first.cpu_ns) == (DOING_UNKNOWN, UNKNOWN)
    assert (second.doing, second.cpu_ns) == (CPU, UNKNOWN)


def test_where_several_contend_each_is_on_cpu_for_its_part(box: Box) -> None:
    """One interpreter's lock for all: four that compute have a quarter each."""
    with serving(sleep) as trace:
        clock = {"ns": trace.cpu_start_ns}
        twin = RequestTrace(trace.app, "GET", "/", "", trace.start_ns)
        twin.thread, twin.cpu_start_ns = trace.thread, trace.cpu_start_ns
        observer = Observer(0, clock=lambda native: clock["ns"])
        observer.observe([trace, twin])
        before = time.perf_counter_ns()
        time.sleep(0.05)
        clock["ns"] += (time.perf_counter_ns() - before) * 3 // 10
        both = observer.observe([trace, twin])

    assert {now.doing for now in both.values()} == {CPU}


def test_a_dead_thread_classes_property_is_not_run(box: Box) -> None:
    class Odd(threading.Thread):
        @property
        def native_id(self) -> int:
            raise AssertionError("the app's own code ran")

    odd = Odd(target=go.wait, args=(60,), name="odd")
    odd.start()
    assert odd.ident is not None

    assert thread_of(odd.ident)[1] == "odd"


def test_an_old_message_without_the_new_fields_still_says_something() -> None:
    request = InFlight("GET", 0, "/", 1)

    assert (request.doing, request.statement) == (DOING_UNKNOWN, UNKNOWN)
