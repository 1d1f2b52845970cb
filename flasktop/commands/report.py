"""The snapshot as text for people: summary, endpoints, queries, workers, and what died."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import click

from flasktop import units
from flasktop.client.collect import Collected
from flasktop.commands.document import of_app
from flasktop.commands.findings_text import finding_lines
from flasktop.commands.tables import Column, cut, cut_left, one_line, table
from flasktop.stats.in_flight import Died, InFlightRow
from flasktop.stats.views import EndpointRow, QueryRow, Summary, Window, WorkerRow
from flasktop.tui.draw.doing import short_doing

SOURCE_WIDTH = 36


def report(collected: Collected, now: float, width: int, *, app: str | None = None) -> Iterator[str]:
    """Yield the lines of the snapshot at ``now`` (reader's monotonic clock), for a terminal of ``width`` cells."""
    store = collected.store
    name = app or (collected.app.name if collected.app else "")
    directory = collected.app.directory if collected.app else ""
    summary = store.summary(now, Window.ALL, app=app)
    workers = store.workers(now, Window.ALL)
    yield from (cut(line, width) for line in headline(name, summary, workers))
    endpoints = store.endpoints(now, Window.ALL, app=app)
    yield from _section("Endpoints", "times in ms, means a request", endpoints, _endpoints(endpoints), width)
    queries = store.queries(now, Window.ALL, app=app)
    yield from _section("Queries", "times in ms a call", queries, _queries(queries, directory), width)
    running = store.in_flight(now, app=app).rows
    if running:
        yield from _section("In flight", "oldest first", running, _in_flight(running), width)
    yield from _section("Workers", "", workers, worker_columns(workers), width)
    died = [one for one in store.died() if of_app(one, app)]
    yield from died_lines(died, width)
    findings = collected.report.findings
    yield from ("", click.style("FINDINGS", bold=True), *(finding_lines(findings, width) if findings else ["  none"]))


def headline(name: str, summary: Summary, workers: Sequence[WorkerRow]) -> Iterator[str]:
    """The first lines: how is the app?"""
    alive = sum(worker.state in ("live", "silent", "connecting") for worker in workers)
    parts = [summary.server, units.plural(alive, "worker") if alive else "no worker left"]
    if summary.silent:
        parts.append(f"{summary.silent} silent")
    if alive:
        parts.append(f"up {units.duration(summary.uptime_s)}")
    if summary.rss_bytes is not None and alive:
        parts.append(f"RSS {units.bytes_(summary.rss_bytes)}")
    yield " · ".join(part for part in (name, *parts) if part)
    yield " · ".join(
        (
            units.plural(summary.requests, "request"),
            f"{units.rate(summary.rate)}/s",
            f"p50 {units.ms_unit(summary.p50_ms)}",
            f"p95 {units.ms_unit(summary.p95_ms)}",
            f"p99 {units.ms_unit(summary.p99_ms)}",
            f"errors {units.percent(summary.error_rate)} %",
            f"lost {units.count(summary.lost)}",
            f"detail since {units.clock(summary.history_from)}",
        )
    )


def _section(title: str, note: str, rows: Sequence[object], columns: Sequence[Column], width: int) -> Iterator[str]:
    yield ""
    yield click.style(title.upper(), bold=True) + (f"  ({note})" if note and rows else "")
    if rows:
        yield from table(columns, width)
    else:
        yield "  none"


def _endpoints(rows: Sequence[EndpointRow]) -> list[Column]:
    return [
        Column("requests", [f"{row.count:,}" for row in rows]),
        Column("errors", [units.count(row.errors, quiet=True) for row in rows], bad=[row.errors > 0 for row in rows]),
        Column("rate/s", [units.rate(row.rate) for row in rows], rank=5),
        Column("mean", [units.ms(row.mean_ms) for row in rows], rank=6),
        Column("p50", [units.ms(row.p50_ms) for row in rows], rank=3),
        Column("p95", [units.ms(row.p95_ms) for row in rows]),
        Column("p99", [units.ms(row.p99_ms) for row in rows], rank=4),
        Column("max", [units.ms(row.max_ms) for row in rows], rank=7),
        Column("sql/req", [units.mean_count(row.sql_per_request, quiet=True) for row in rows], rank=1),
        Column("sql", [units.ms(row.sql_ms, quiet=True) for row in rows], rank=1),
        Column("cpu", [units.ms(row.cpu_ms) for row in rows], rank=2),
        Column("wait", [units.ms(row.wait_ms) for row in rows], rank=2),
        Column("share", [f"{units.percent(row.share)}%" for row in rows], rank=8),
        Column("endpoint", [f"{row.key.method} {row.key.route}" for row in rows], right=False),
    ]


def _queries(rows: Sequence[QueryRow], directory: str) -> list[Column]:
    return [
        Column("calls", [f"{row.count:,}" for row in rows]),
        Column(
            "errors", [units.count(row.errors, quiet=True) for row in rows], 3, bad=[row.errors > 0 for row in rows]
        ),
        Column("mean", [units.ms(row.mean_ms) for row in rows]),
        Column("p95", [units.ms(row.p95_ms) for row in rows], rank=4),
        Column("total", [units.ms(row.total_ms) for row in rows], rank=1),
        Column("fetch", [f"{units.percent(row.fetch_share)}%" for row in rows], rank=6),
        Column("rows", [units.count(row.rows, quiet=True) for row in rows], rank=2),
        Column("source", [_source(row, directory) for row in rows], rank=5, right=False),
        Column("statement", [_statement(row) for row in rows], right=False),
    ]


def _in_flight(rows: Sequence[InFlightRow]) -> list[Column]:
    return [
        Column("age", [units.ms_unit(row.age_ms) for row in rows]),
        Column("pid", [str(row.id.worker.pid) for row in rows], rank=2),
        Column("statements", [units.count(row.statements, quiet=True) for row in rows], rank=3),
        Column("doing", [short_doing(row.doing, row.kind) for row in rows], right=False),
        Column("request", [f"{row.method} {row.path}" for row in rows], rank=1, right=False),
        Column("statement", [one_line(row.statement.text) if row.statement else "" for row in rows], right=False),
    ]


def _source(row: QueryRow, directory: str) -> str:
    """``path:line``, from the app's directory where it lies in it."""
    if not row.key.file:
        return units.UNKNOWN
    inside = directory and row.key.file.startswith(directory.rstrip("/") + "/")
    path = os.path.relpath(row.key.file, directory) if inside else row.key.file
    return cut_left(f"{path}:{row.key.line}", SOURCE_WIDTH)


def _statement(row: QueryRow) -> str:
    lazy = f"[{row.key.relationship}] " if row.key.relationship else ""
    return lazy + one_line(row.key.text)


def worker_columns(rows: Sequence[WorkerRow]) -> list[Column]:
    """The columns of a table of workers."""
    return [
        Column("pid", [str(row.worker.pid) for row in rows]),
        Column(
            "state", [row.state for row in rows], right=False, bad=[row.state in ("died", "silent") for row in rows]
        ),
        Column("up", [units.duration(row.uptime_s) for row in rows], rank=2),
        Column("requests", [units.UNKNOWN if row.requests is None else f"{row.requests:,}" for row in rows]),
        Column("in flight", [units.count(row.in_flight, quiet=True) for row in rows], rank=3),
        Column("cpu %", [_percent(row.cpu_percent) for row in rows], rank=1),
        Column("RSS", [units.bytes_(row.rss_bytes) for row in rows], rank=1),
        Column("threads", [units.count(row.threads) for row in rows], rank=5),
        Column("files", [units.count(row.open_files) for row in rows], rank=6),
        Column("gc ms", [units.ms(row.gc_pause_ms) for row in rows], rank=7),
        Column("agent %", [_percent(row.agent_cpu_percent) for row in rows], rank=8),
        Column("pools in use", [_pools(row) for row in rows], right=False),
    ]


def _percent(value: float | None) -> str:
    return units.UNKNOWN if value is None else f"{value:.1f}"


def _pools(row: WorkerRow) -> str:
    known = [pool for pool in row.pools if pool.checked_out >= 0]
    return ", ".join(f"{pool.checked_out}/{pool.size} {pool.engine}" for pool in known) or units.UNKNOWN


def died_lines(died: Sequence[Died], width: int) -> Iterator[str]:
    """The requests that died with their workers; nothing where none did."""
    if not died:
        return
    rows = [one.request for one in died]
    columns = [
        Column("pid", [str(row.pid) for row in rows]),
        Column("age", [units.ms_unit(row.age_ms) for row in rows]),
        Column("at", [units.clock(one.at) for one in died], rank=1),
        Column("request", [f"{row.method} {row.route or row.path}" for row in rows], right=False),
    ]
    yield ""
    yield click.style("DIED WITH THEIR WORKER", bold=True, fg="red")
    yield from table(columns, width)
