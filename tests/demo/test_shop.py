"""Each classic fault really is one, and its twin is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from flasktop.demo.shop import seed
from flasktop.demo.shop.views import catalogue, export, inventory, orders, quotes, reports, stats
from tests.demo.conftest import Counting, engine_of


def fastest(act: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter, times: int = 3) -> float:
    """The seconds of the fastest of some tries: what the work itself costs."""

    def once() -> float:
        start = clock()
        act()
        return clock() - start

    return min(once() for _ in range(times))


def plan(app: Flask, statement: str) -> str:
    marks = statement.count("?")
    with engine_of(app).connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("1",) * marks).all()
    return "\n".join(row[3] for row in rows)


def test_orders_runs_one_statement_more_for_each_order(client: FlaskClient, counting: Counting) -> None:
    with counting() as statements:
        client.get("/orders")

    assert len(statements) == 1 + orders.SHOWN


def test_eager_orders_run_two_statements_and_make_the_same_page(client: FlaskClient, counting: Counting) -> None:
    with counting() as statements:
        eager = client.get("/orders/eager")

    assert len(statements) == 2
    assert eager.data == client.get("/orders").data


def test_search_reads_the_whole_table(shop: Flask, client: FlaskClient, counting: Counting) -> None:
    with counting() as statements:
        client.get("/search?q=oak+lamp")

    assert "SCAN" in plan(shop, statements[0])


def test_indexed_search_uses_an_index_and_finds_the_same(shop: Flask, client: FlaskClient, counting: Counting) -> None:
    with counting() as statements:
        found = client.get("/search/indexed?q=oak+lamp")

    assert "USING INDEX ix_review_title_key" in plan(shop, statements[0])
    assert found.data.count(b"<h3>") == 20
    assert found.data == client.get("/search?q=oak+lamp").data


def test_search_hurts_and_its_twin_does_not(client: FlaskClient) -> None:
    slow = fastest(lambda: client.get("/search?q=oak+lamp"))
    fast = fastest(lambda: client.get("/search/indexed?q=oak+lamp"))

    assert slow > 10 * fast
    assert slow > 0.03


def test_all_products_are_all_products(client: FlaskClient) -> None:
    assert client.get("/products/all").data.count(b"<tr>") == 1 + seed.PRODUCTS


def test_a_page_of_products_is_a_page_whichever_it_is(client: FlaskClient) -> None:
    first, second = client.get("/products").data, client.get("/products?page=2").data

    assert first.count(b"<tr>") == second.count(b"<tr>") == 1 + catalogue.PAGE
    assert first != second


def test_a_report_waits_for_the_print_service(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "PRINT_SECONDS", 0.2)

    wall = fastest(lambda: client.post("/report"), times=1)
    cpu = fastest(lambda: client.post("/report"), clock=time.thread_time, times=1)

    assert wall >= 0.2
    assert cpu < 0.1


def test_a_queued_report_is_printed_by_another_thread_after_the_answer(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, printed = threading.Event(), threading.Event()
    printers: list[str] = []

    def print_report(_engine: object) -> None:
        printers.append(threading.current_thread().name)
        answered.wait(10)
        printed.set()

    monkeypatch.setattr(reports, "print_report", print_report)
    answer = client.post("/report/queued")
    answered.set()

    assert answer.status_code == 202
    assert printed.wait(10)
    assert printers == ["printer"]


def test_a_thumbnail_burns_the_cpu_and_the_stored_one_is_the_same_picture(client: FlaskClient) -> None:
    drawn, stored = client.get("/thumbnail/3"), client.get("/thumbnail/stored/3")
    slow = fastest(lambda: client.get("/thumbnail/3"), clock=time.thread_time)
    fast = fastest(lambda: client.get("/thumbnail/stored/3"), clock=time.thread_time)

    assert drawn.data == stored.data
    assert drawn.data.startswith(b"\x89PNG")
    assert slow > 5 * fast


def test_stats_are_computed_for_every_visitor(client: FlaskClient, counting: Counting) -> None:
    with counting() as statements:
        client.get("/stats")
        client.get("/stats")

    assert len(statements) == 2


def test_cached_stats_are_computed_once_and_again_when_stale(
    client: FlaskClient, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "_cached", None)
    with counting() as statements:
        client.get("/stats/cached")
        client.get("/stats/cached")
        assert len(statements) == 1

        monkeypatch.setattr(stats, "FRESH_SECONDS", 0.0)
        client.get("/stats/cached")

    assert len(statements) == 2


def test_quotes_stay_for_ever(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "QUOTES", {})
    for _ in range(quotes.KEPT + 10):
        client.post("/quotes")

    assert len(quotes.QUOTES) == quotes.KEPT + 10
    assert all(len(quote.lines) == quotes.LINES for quote in quotes.QUOTES.values())


def test_bounded_quotes_make_room(client: FlaskClient) -> None:
    for _ in range(quotes.KEPT + 10):
        client.post("/quotes/bounded")

    assert len(quotes.RECENT_QUOTES) == quotes.KEPT


def test_a_demo_left_alone_does_not_eat_the_machine(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "QUOTES", {})
    monkeypatch.setattr(quotes, "FORGET_AT", 3)
    kept = [client.post("/quotes").get_json()["kept"] for _ in range(4)]

    assert kept == [1, 2, 3, 1]


def test_inventory_keeps_connections_but_never_all_of_them(shop: Flask, client: FlaskClient) -> None:
    pool = engine_of(shop).pool
    assert isinstance(pool, QueuePool)
    out = []
    for _ in range(3 * inventory.KEPT):
        client.get("/inventory")
        out.append(pool.checkedout())

    assert out[-1] == inventory.KEPT
    assert max(out) == inventory.KEPT


def test_inventory_closed_gives_its_connection_back(shop: Flask, client: FlaskClient) -> None:
    pool = engine_of(shop).pool
    assert isinstance(pool, QueuePool)
    before = pool.checkedout()
    page = client.get("/inventory/closed")

    assert pool.checkedout() == before
    assert page.data == client.get("/inventory").data


def test_a_quantity_of_zero_is_a_server_error_in_the_cart(client: FlaskClient) -> None:
    assert client.post("/cart", data={"quantity": "0"}).status_code == 500


def test_a_quantity_of_zero_is_the_visitors_error_in_the_checked_cart(client: FlaskClient) -> None:
    assert client.post("/cart/checked", data={"quantity": "0"}).status_code == 409


@pytest.mark.parametrize("path", ["/cart", "/cart/checked"])
def test_a_quantity_of_one_is_stored(shop: Flask, client: FlaskClient, path: str) -> None:
    answer = client.post(path, data={"quantity": "1", "product": "17"})

    assert answer.status_code == 201
    line = answer.get_json()["line"]
    with engine_of(shop).connect() as connection:
        found = connection.execute(text("SELECT product_id FROM cart_line WHERE id = :id"), {"id": line})
        assert found.scalar_one() == 17


def test_the_export_leaves_in_portions(client: FlaskClient) -> None:
    response = client.get("/export.csv", buffered=False)
    portions = list(response.iter_encoded())
    response.close()

    assert len(portions) == seed.PRODUCTS // export.AT_ONCE
    assert b"".join(portions).count(b"\r\n") == seed.PRODUCTS


@pytest.mark.parametrize("path", ["/product/999999", "/api/products/999999", "/thumbnail/99", "/wp-login.php"])
def test_what_is_not_there_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/product/7", "/api/products/7", "/static/shop.css", "/healthz"])
def test_what_is_healthy_answers(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        assert response.status_code == 200


def test_the_shop_is_the_same_each_time() -> None:
    def rows() -> list[tuple[object, ...]]:
        return [row for name, rows in seed._tables() for row in islice(rows, 500)]

    assert rows() == rows()
