"""What is remembered of a compiled statement is told of its next run only where that is the same.

Each test runs a statement until it is known, changes one thing, and runs it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, create_engine, event, insert, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session, selectinload

from flasktop.agent.engine import Engine as Ours
from flasktop.agent.engine import SpanIdentity
from flasktop.agent.sql import callsite, hooks, masking, recording, relationship
from flasktop.agent.sql.known import Known, keep
from tests.agent.sql.conftest import Item, Order, Recorder, their_execution
from tests.databases import OLD_SQLALCHEMY

QUERY = select(Order.id).where(Order.name == "order 3")


def run(connection: Connection) -> list[Any]:
    return list(connection.execute(QUERY).all())


@pytest.fixture
def known(sqlite: Engine, recorder: Recorder) -> Iterator[Connection]:
    """A connection on which ``QUERY`` has run, and is known."""
    with sqlite.connect() as connection:
        for _ in range(3):
            run(connection)
        recorder.clear()
        yield connection


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that were not known."""
    seen: list[str] = []

    def look(context: Any, statement: str, *rest: Any) -> Any:
        seen.append(statement)
        return original(context, statement, *rest)

    original = hooks._look
    monkeypatch.setattr(hooks, "_look", look)
    return seen


def test_a_statement_is_looked_at_once(known: Connection, recorder: Recorder, looks: list[str]) -> None:
    for _ in range(5):
        run(known)

    assert looks == []
    assert {
        (span.rows, callsite.locate(span.identity.code, span.identity.instruction)[2])
        for span in recorder.statements
        if span.identity.code
    } == {(1, "run")}


def test_each_of_its_runs_has_its_own_times_and_rows(known: Connection, recorder: Recorder) -> None:
    spans = recorder.run(lambda: [run(known), known.execute(QUERY).first()])

    assert [span.rows for span in spans] == [1, 1]
    assert spans[0].start_ns + spans[0].execute_ns <= spans[1].start_ns


@pytest.mark.parametrize("whose", ["one engine", "all engines"])
def test_a_listener_that_comes_later_runs_the_statement(known: Connection, recorder: Recorder, whose: str) -> None:
    ran: list[str] = []
    target, theirs = known.engine if whose == "one engine" else Engine, their_execution(ran)
    event.listen(target, "do_execute", theirs)
    try:
        rows = run(known)
    finally:
        event.remove(target, "do_execute", theirs)

    assert (len(rows), len(ran), recorder.statements) == (1, 1, [])


def test_text_that_a_listener_edits_later_is_told(known: Connection, recorder: Recorder) -> None:
    def comment(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        return f"{statement} and 5 = 5", parameters

    event.listen(known.engine, "before_cursor_execute", comment, retval=True)
    run(known)

    assert masking.mask(recorder.last.text).endswith("and ? = ?")


def test_another_line_is_told(known: Connection, recorder: Recorder) -> None:
    def elsewhere() -> Any:
        return known.execute(QUERY).all()

    spans = recorder.run(lambda: [run(known), elsewhere(), run(known)])

    assert [span.identity.code is run.__code__ for span in spans] == [True, False, True]
    assert spans[1].identity.code is elsewhere.__code__


def test_another_function_of_the_same_code_is_told(known: Connection, recorder: Recorder) -> None:
    def one() -> Any:
        return known.execute(QUERY).all()

    def other() -> Any:
        return known.execute(QUERY).all()

    spans = recorder.run(lambda: [view() for view in (one, one, other, one)])

    assert [span.identity.code is one.__code__ for span in spans] == [True, True, False, True]


def test_another_line_of_the_same_function_is_told(known: Connection, recorder: Recorder) -> None:
    def two() -> None:
        known.execute(QUERY).all()
        known.execute(QUERY).all()

    spans = recorder.run(two)
    lines = [callsite.locate(span.identity.code, span.identity.instruction)[1] for span in spans if span.identity.code]

    assert lines == [two.__code__.co_firstlineno + 1, two.__code__.co_firstlineno + 2]


def test_a_library_that_became_the_users_is_told(
    sqlite: Engine, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callsite, "roots", ())
    folder = tmp_path / "site-packages" / "shop"
    folder.mkdir(parents=True)
    library: dict[str, Any] = {"query": QUERY}
    exec(compile("def view(connection): return connection.execute(query).all()", str(folder / "x.py"), "exec"), library)
    with sqlite.connect() as connection:
        for asked in range(4):
            if asked == 3:
                callsite.add_root(str(folder))
            library["view"](connection)
    told = [span.identity.code is library["view"].__code__ for span in recorder.statements]

    assert told == [False, False, False, True]


def test_what_is_known_of_it_on_another_engine_is_not_told(tmp_path: Path, recorder: Recorder) -> None:
    """SQLAlchemy 1.4 and 2.0 let one compiled object run on two engines; later ones compile it for each."""
    engines = [create_engine(f"sqlite:///{tmp_path / name}.db") for name in ("one", "two")]
    compiled: list[Any] = []
    for engine in engines:
        Order.metadata.create_all(engine)
        event.listen(engine, "before_cursor_execute", lambda *arguments: compiled.append(arguments[4].compiled))
        with engine.connect() as connection:
            run(connection)
    one, two = compiled
    two._flasktop_known = one._flasktop_known
    with engines[1].connect() as connection:
        run(connection)
    for engine in engines:
        engine.dispose()

    assert recorder.last.engine.name.endswith("two.db")


def test_one_by_one_and_in_batches_have_their_sizes(sqlite: Engine, recorder: Recorder) -> None:
    change = update(Order).where(Order.id == bindparam("number")).values(name=bindparam("to"))
    one = {"number": 1, "to": "a"}
    with sqlite.begin() as connection:
        spans = recorder.run(
            lambda: [connection.execute(change, values) for values in (one, [one] * 3, one, [one] * 2)]
        )

    assert [span.batch for span in spans] == [0, 3, 0, 2]


@pytest.mark.skipif(OLD_SQLALCHEMY, reason="insertmanyvalues came with SQLAlchemy 2.0")
def test_inserts_that_sqlalchemy_delivers_one_by_one_are_batches_of_one(sqlite: Engine, recorder: Recorder) -> None:
    """SQLite cannot tell in which order a batch's rows come back."""
    ordered = insert(Order).returning(Order.id, sort_by_parameter_order=True)
    with sqlite.begin() as connection:
        spans = recorder.run(lambda: connection.execute(ordered, [{"name": "a"}, {"name": "b"}]).all())

    assert [span.batch for span in spans] == [1, 1]


def test_statements_of_a_connection_that_is_being_made_are_left_to_it(
    known: Connection, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, looks: list[str]
) -> None:
    monkeypatch.setitem(recording.connecting, 1, object())  # somebody else's, say
    run(known)

    assert len(looks) == 1


def test_lazy_loads_keep_their_relationship_beside_others_of_their_kind(sqlite: Engine, recorder: Recorder) -> None:
    def visit(*options: Any) -> list[str]:
        recorder.clear()
        with Session(sqlite) as session:
            for order in session.execute(select(Order).options(*options).limit(2)).scalars().all():
                len(order.items)
                session.execute(select(Item).where(Item.order_id == order.id)).scalars().all()
        return [relationship.name(span.identity.relationship) for span in recorder.statements]

    lazily, eagerly = ["", "Order.items", "", "Order.items", ""], ["", "", "", ""]
    told = [visit(*options) for options in ((), (selectinload(Order.items),), (), (selectinload(Order.items),))]

    assert told == [lazily, eagerly, lazily, eagerly]


def test_a_compiled_object_that_takes_no_attribute_is_looked_at_anew() -> None:
    class Slotted:
        __slots__ = ()

    engine = Ours("", "")
    keep(Slotted(), Known(SpanIdentity("statement", "select 1", engine, None, 0), "select 1", engine, None, 0))
