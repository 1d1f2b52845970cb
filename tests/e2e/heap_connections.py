"""Eight threads, each with a connection in a thread-local and a transaction open, while 50 copies are made and weighed.

Argument: a database URL. Every thread goes on querying in its transaction throughout, and commits at the end.
"""

from __future__ import annotations

import os
import sys
import threading

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from flasktop.agent.commands.job import Job
from flasktop.agent.heap import child
from flasktop.agent.heap.child import Terms
from flasktop.agent.heap.session import Copy
from flasktop.agent.heap.wire import Weigh, Weighed

THREADS = 8
TAKES = 50
PATIENCE_S = 60.0
REST_S = 0.05
"""Between two queries of a thread: the copies must get their turn."""
LIMIT_S = 60.0

TABLE = f"heap_note_{os.getpid()}"
"""A table of our own: the tests of other Pythons run beside these, on the same database."""

local = threading.local()
failed: list[BaseException] = []


def who(connection: Connection) -> int:
    """The server's own number of this connection."""
    function = "pg_backend_pid()" if connection.dialect.name == "postgresql" else "connection_id()"
    return int(str(connection.execute(text(f"select {function}")).scalar()))


def transact(engine: Engine, number: int, ready: threading.Barrier, stop: threading.Event) -> None:
    try:
        local.connection = engine.connect()
        transaction = local.connection.begin()
        mine = who(local.connection)
        local.connection.execute(text(f"insert into {TABLE} values (:number)"), {"number": number})
        ready.wait(PATIENCE_S)
        while not stop.wait(REST_S):
            assert who(local.connection) == mine
            rows = local.connection.execute(text(f"select number from {TABLE} where number = :n"), {"n": number})
            assert len(rows.all()) == 1, "the transaction is the same one"
        transaction.commit()
        assert who(local.connection) == mine
        local.connection.close()
    except BaseException as error:  # noqa: BLE001 - told by the main thread
        failed.append(error)


def take_one(number: int) -> None:
    copy = Copy(number, Terms(False, LIMIT_S, LIMIT_S, LIMIT_S))
    assert copy.ask(Weigh(10), Weighed, Job(lambda *said: None), LIMIT_S).objects > 1000
    copy.kill("it is done")
    assert copy.wait()
    assert not failed, failed


def main(url: str) -> None:
    child.NICENESS = 0  # type: ignore[misc]  # where the machine is busy, fifty niced copies would weigh for minutes
    engine = create_engine(url, future=True, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"drop table if exists {TABLE}"))
        connection.execute(text(f"create table {TABLE} (number integer)"))
    ready, stop = threading.Barrier(THREADS + 1), threading.Event()
    threads = [threading.Thread(target=transact, args=(engine, number, ready, stop)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait(PATIENCE_S)
    try:
        for take in range(TAKES):
            take_one(take)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed, failed
    with engine.begin() as connection:
        committed = connection.execute(text(f"select count(*) from {TABLE}")).scalar()
        connection.execute(text(f"drop table {TABLE}"))
    engine.dispose()
    print(f"{TAKES} takes, {committed} transactions committed")


main(sys.argv[1])
