"""What workers say of their totals: the newest counts, whatever the order, and nonsense stops nobody."""

from __future__ import annotations

import msgspec
import pytest

from flasktop.protocol.totals import StatementTotal
from flasktop.stats.columns import COUNT
from flasktop.stats.rows import MAX_IDS
from flasktop.stats.told import RouteTable, StatementTable, statuses_of
from tests.stats.builders import make_trace, route_total


def statement(number: int, count: int, *, execute_us: int = 10, routes: tuple[int, ...] = (0,)) -> StatementTotal:
    return StatementTotal(number, count, 1, execute_us, 2, 3, routes)


def test_the_newest_total_of_a_statement_counts() -> None:
    table = StatementTable()
    table.take([statement(5, 3), statement(5, 9, execute_us=70, routes=(0, 4)), statement(5, 4)])

    assert list(table.items()) == [(5, (9, 1, 70, 2, 3), (0, 4))]


def test_the_newest_total_of_a_route_counts_and_tells_how_much_came() -> None:
    table = RouteTable()
    traces = [make_trace(number, 2, status=200 if number else 500) for number in range(5)]
    came = [table.take([route_total(2, traces[:count])]) for count in (2, 5, 3)]
    ((route, columns, beside),) = table.items()

    assert (came, route, columns[COUNT]) == ([2, 3, 0], 2, 5)
    assert dict(statuses_of(beside)) == {500: 1, 200: 4}


@pytest.mark.parametrize("number", [-1, -10_000, MAX_IDS, 1 << 60])
def test_an_id_that_no_worker_has_is_not_kept(number: int) -> None:
    table, routes = StatementTable(), RouteTable()
    table.take([statement(number, 3), statement(1, 2)])
    routes.take([route_total(number, [make_trace(0, 0)])])

    assert [each[0] for each in table.items()] == [1]
    assert list(routes.items()) == []


def test_more_than_a_word_holds_is_as_much_as_it_holds() -> None:
    table, routes = StatementTable(), RouteTable()
    table.take([statement(0, 3, execute_us=(1 << 64) - 1)])
    routes.take([msgspec.structs.replace(route_total(0, [make_trace(0, 0)]), bytes_sent=(1 << 64) - 1)])

    assert [columns[2] for _, columns, _ in table.items()] == [(1 << 63) - 1]
    assert (1 << 63) - 1 in next(iter(routes.items()))[1]


def test_what_was_never_told_is_nothing() -> None:
    table = StatementTable()
    table.take([statement(3, 1)])

    assert [table.get(number) for number in (0, 7, -1)] == [((0,) * 5, ())] * 3
