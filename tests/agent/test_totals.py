"""What a worker sums up."""

from __future__ import annotations

from flasktop.agent.encode import QUICK, TraceRow
from flasktop.agent.totals import TotalsTable
from flasktop.protocol.records import UNKNOWN, Trace

DEFAULTS = Trace.__struct_defaults__


def quick(number: int, route: int, took: int, cpu: int, status: int, sent: int) -> TraceRow:
    wait, in_sql = (UNKNOWN, UNKNOWN) if cpu == UNKNOWN else (took - cpu, 0)
    return (number, route, took, took, took if sent else UNKNOWN, cpu, in_sql, wait, status, sent, "/")


def test_quick_requests_add_up_to_what_they_would_if_they_were_told_in_full() -> None:
    rows = [
        quick(0, 0, 150, 150, 200, 5),
        quick(1, 1, 900, UNKNOWN, 200, 5),
        quick(2, 0, 700, 40, 404, 0),
        quick(3, 0, 20, 20, 500, 9),
    ]
    short, full = TotalsTable(), TotalsTable()
    short.add(rows)
    full.add([(*row, *DEFAULTS) for row in rows])

    assert len(rows[0]) == QUICK and len(rows[0] + DEFAULTS) == len(Trace.__struct_fields__)
    assert short.complete() == full.complete()
    assert [one.max_us for one in short.complete().routes] == [700, 900]


def test_both_kinds_of_one_route_are_one_row() -> None:
    table = TotalsTable()
    row = quick(0, 0, 150, 150, 200, 5)
    table.add([row, (*row, *DEFAULTS)])
    (route,) = table.complete().routes

    assert (route.count, route.duration_us, route.statuses, route.bytes_sent) == (2, 300, {200: 2}, 10)
