"""The pages as pure functions: what stands on them, and that nothing sticks out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from flasktop.stats.latencies import Latencies
from flasktop.stats.split import Phases, TimeSplit
from flasktop.stats.views import EndpointDetail, StatementDetail, TraceView
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.endpoint_page import endpoint_lines
from flasktop.tui.detail.statement_page import statement_lines
from flasktop.tui.detail.trace_page import FIRST_BYTE, REQUEST, TALL, trace_lines
from flasktop.tui.detail.trace_pane import pane_lines
from tests.tui.detail.synthetic import (
    CART,
    ORDERS,
    find_key,
    lazy_key,
    orders_trace,
    plain_trace,
    rollback_key,
    shop,
    texts,
    write_code,
)
from tests.tui.draw.palettes import HOSTILE, PALETTE, PALETTES

SIZES = ((58, 8), (78, 19), (116, 35), (196, 55))


@pytest.fixture
def code(tmp_path: Path) -> str:
    return write_code(tmp_path)


def context(width: int = 116, height: int = 35, **changes: Any) -> Context:
    return dataclasses.replace(Context(width, height, PALETTE), **changes)


def joined(lines: Sequence[Any]) -> str:
    return "\n".join(texts(lines))


def hostile(detail: EndpointDetail) -> EndpointDetail:
    """``detail`` with hostile and very long text wherever an app can put text."""
    text = HOSTILE * 40
    key = detail.row.key._replace(route="/" + text, method=HOSTILE)
    trace = replace(
        detail.slowest[0], key=key, path="/" + text, error=text, is_error=True, endpoint=text,
        spans=tuple(
            replace(s, statement=s.statement._replace(text=text * 8, file=text, relationship=text), error=text)
            for s in detail.slowest[0].spans
        ),
    )  # fmt: skip
    uses = tuple(
        replace(
            use,
            endpoint=text,
            function=text,
            statement=use.statement._replace(text=text * 8, relationship=text, file=text),
        )
        for use in detail.statements
    )
    return replace(
        detail, row=replace(detail.row, key=key), slowest=(trace,), recent=(trace,), failed=(trace,), statements=uses
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("palette", PALETTES)
def test_no_line_is_wider_than_the_page(code: str, width: int, height: int, palette: Any) -> None:
    """Not even with the most hostile text; and none of it reaches the terminal as anything but text."""
    made = shop(code)
    here = Context(width, height, palette)
    endpoint = hostile(made.endpoint_details[ORDERS])
    statement = made.statement_details[lazy_key(code)]
    statement = replace(
        statement,
        row=replace(statement.row, key=endpoint.statements[0].statement, function=HOSTILE),
        endpoints=endpoint.statements,
        slowest=endpoint.slowest,
    )
    trace = endpoint.slowest[0]
    drawn = [
        line.text
        for line in (*endpoint_lines(endpoint, here), *trace_lines(trace, here), *statement_lines(statement, here))
    ]
    drawn += pane_lines(trace, trace.spans[5].statement, here)

    assert max(line.cell_len for line in drawn) <= width
    assert not any(ord(letter) < 32 or letter in "\x9b\u202e\u2066" for line in drawn for letter in line.plain)
    assert "[/b]" in joined(drawn)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_at_all_can_be_shown(width: int, height: int) -> None:
    """No requests, no statements, no percentiles: no number is made up."""
    made = shop("/nowhere/views.py")
    detail = made.endpoint_details[ORDERS]
    row = replace(
        detail.row, count=0, errors=0, rate=0.0, mean_ms=None, latencies=Latencies(None), first_byte_ms=None,
        cpu_ms=None, wait_ms=None, split=TimeSplit(0, 0, 0, 0, 0, 0, 0),
        phases=Phases(0, 0, 0), statuses={}, trend=(),
    )  # fmt: skip
    text = joined(endpoint_lines(EndpointDetail(row, (), (), (), (), ()), context(width, height)))

    assert "p95 –" in text or width < 60
    assert "Statements" not in text


def test_statements_stand_above_requests_and_the_dearest_first(code: str) -> None:
    """Why it is slow comes before when it was."""
    lines = endpoint_lines(shop(code).endpoint_details[ORDERS], context(78, 19))

    assert next(line.key for line in lines if line.key) == ("statements", lazy_key(code))


def test_a_long_list_says_how_much_more_there_is(code: str) -> None:
    """And shows it when it is unfolded."""
    detail = shop(code).endpoint_details[ORDERS]
    folded = endpoint_lines(detail, context(78, 19))
    more = next(line for line in folded if line.key == ("more", "slowest"))
    opened = endpoint_lines(detail, context(78, 19, opened=frozenset({("more", "slowest")})))

    assert more.text.plain == "… 6 more requests ↵"
    assert sum(1 for line in opened if line.section == "slowest") == 10


def test_the_source_line_is_visible_without_scrolling_at_80x24(code: str) -> None:
    """The reason for the whole screen."""
    lines = statement_lines(shop(code).statement_details[lazy_key(code)], context(78, 19))[:19]

    assert "▶ 14 │     total = sum(item.price for item in order.items)" in joined(lines)


def test_a_lazy_load_is_explained_in_words(code: str) -> None:
    """What it is, how often, and what loads the same at once."""
    text = joined(statement_lines(shop(code).statement_details[lazy_key(code)], context(78, 19)))

    assert "lazy load of Order.items: one statement for each parent." in text
    assert "100× in each request" in text
    assert "select(Order).options(selectinload(Order.items))" in text


def test_source_that_cannot_be_read_says_why() -> None:
    """The place is still told."""
    text = joined(
        statement_lines(shop("/nowhere/views.py").statement_details[lazy_key("/nowhere/views.py")], context())
    )

    assert "/nowhere/views.py:14" in text
    assert "the file is not on this machine or not readable by you" in text


def test_source_newer_than_the_worker_warns(code: str) -> None:
    """Line numbers may have moved; at any width."""
    detail = shop(code).statement_details[lazy_key(code)]

    for width in (78, 116):
        assert "file is newer than the running worker: lines may have moved" in joined(
            statement_lines(detail, context(width, started_at=1.0))
        )


def test_a_very_long_statement_can_be_read_whole(code: str) -> None:
    """Ten thousand characters: folded first, all of them when unfolded."""
    detail = shop(code).statement_details[find_key(code)]
    text = "SELECT " + ", ".join(f"product.column_{i}" for i in range(600)) + " FROM product"
    long = replace(detail, row=replace(detail.row, key=detail.row.key._replace(text=text)))
    folded = joined(statement_lines(long, context(78, 19)))
    opened = joined(statement_lines(long, context(78, 19, opened=frozenset({("more", "sql")}))))

    assert "more lines ↵" in folded and "product.column_599" not in folded
    assert "product.column_599" in opened


def test_a_rollback_is_said_to_be_one(code: str) -> None:
    """It has no source line, and says so."""
    text = joined(statement_lines(shop(code).statement_details[rollback_key()], context()))

    assert "a ROLLBACK: by the app, or of a connection that goes back to its pool" in text
    assert "no line of your own code ran this statement" in text


def rows_of(trace: TraceView, **changes: Any) -> dict[Any, str]:
    return {line.key: line.text.plain for line in trace_lines(trace, context(**changes)) if line.key is not None}


def test_a_waterfall_folds_and_sums(code: str) -> None:
    """``▸100×`` with execute and fetch time, rows, and the source line."""
    row = rows_of(orders_trace(code, 0), width=196, height=55)[lazy_key(code)]

    assert row.startswith("  ▸100× SELECT … FROM item WHERE ? = item.order_id")
    assert "1.63s + 142 ms" in row and " 100 " in row and "views.py:14" in row


def test_an_unfolded_statement_shows_each_call(code: str) -> None:
    """With where it was in time; those past the cap in one line."""
    trace = orders_trace(code, 0, items=60, beyond=940)
    rows = rows_of(trace, opened=frozenset({lazy_key(code)}))
    calls = [key for key in rows if isinstance(key, tuple) and key[0] == lazy_key(code) and len(key) == 2]

    assert len(calls) == 61
    assert "940 more calls, places not kept" in rows[(lazy_key(code), "beyond")]
    assert rows[lazy_key(code)].startswith("▾1,000×")


def test_a_waterfall_ends_with_first_byte_and_body(code: str) -> None:
    """What came after the statements."""
    rows = list(rows_of(orders_trace(code, 0)).items())

    assert rows[0][0] == REQUEST
    assert rows[-2][0] == FIRST_BYTE and "2.09 s" in rows[-2][1]
    assert "12 ms" in rows[-1][1]


def test_what_is_not_known_is_a_dash() -> None:
    """Under gevent there is no CPU time; a request without a response has no status."""
    unknown = {"split": TimeSplit(0, 0, 0, 0, 0, 0, 50.0), "phases": Phases(0, 0, 50.0)}
    trace = plain_trace(CART, 1, 50.0, cpu_ms=None, wait_ms=None, status=0, **unknown)
    text = joined(trace_lines(trace, context()))

    assert "thread CPU –" in text and "first byte –" in text and text.startswith("– ·")
    assert "CPU or waiting 50.0 ms 100 %" in text and "to first byte" not in text


@pytest.mark.parametrize("height", [18, 33, 50])
def test_a_request_shows_where_its_time_went_at_every_height(code: str, height: int) -> None:
    """The figures of its parts add up to its wall time; with room, the phases stand below."""
    lines = texts(trace_lines(orders_trace(code, 0), context(100, height)))
    figures = " ".join(line for line in lines if re.match("(━━|══|╍╍|──|┄┄) [a-zA-Z]", line))
    words = re.findall(r"(?<![<0-9,])([0-9][0-9,]*) ms", figures)

    assert sum(int(word.replace(",", "")) for word in words) == 2100
    assert any("to first byte" in line for line in lines) == (height >= TALL)


def test_a_request_says_how_it_ended() -> None:
    """Exception, closed early, handed to the server."""
    raised = joined(trace_lines(plain_trace(CART, 1, 5.0, status=200, error="KeyError", is_error=True), context()))
    closed = joined(trace_lines(plain_trace(CART, 1, 5.0, closed_early=True), context()))
    offloaded = joined(trace_lines(plain_trace(CART, 1, 5.0, offloaded=True), context()))

    assert "KeyError left the app" in raised
    assert "body closed before its end" in closed
    assert "body given to the server as a file" in offloaded


def test_the_pane_shows_the_code_of_the_selected_row(code: str) -> None:
    """At 80x24 too: nine lines."""
    text = joined(pane_lines(orders_trace(code, 0), lazy_key(code), context(78, 8))[:8])

    assert "▶ 14 │" in text and "100 statements" in text


def test_a_statement_outside_requests_has_no_count_per_request(code: str) -> None:
    """There is no request that it could be divided by."""
    lines = statement_lines(shop(code).statement_details[lazy_key(code)], context())
    row = next(line.text.plain for line in lines if "<outside requests>" in line.text.plain)

    assert row.split()[:2] == ["3", "–"]


def test_detail_of_a_statement_nobody_ran_in_this_window(code: str) -> None:
    """No calls, no times."""
    detail = shop(code).statement_details[lazy_key(code)]
    row = replace(detail.row, count=0, rows=0, mean_ms=None, latencies=Latencies(None), total_ms=0.0)
    text = joined(statement_lines(StatementDetail(row, (), (), ()), context()))

    assert "0 calls" in text and "mean –" in text
