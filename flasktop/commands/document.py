"""The snapshot as one JSON object: plain data, UTC times, null where a value is not known.

Keys may be added; none is ever removed or renamed while ``version`` stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Final

from flasktop.client.collect import Collected
from flasktop.commands.findings_text import finding_document
from flasktop.protocol.records import Pool
from flasktop.stats.in_flight import Died, InFlightRow
from flasktop.stats.views import EndpointRow, QueryRow, Window, WorkerRow

VERSION: Final = 1


def document(collected: Collected, now: float, *, app: str | None = None) -> dict[str, Any]:
    """Return the snapshot of ``collected`` at ``now`` (reader's monotonic clock), of one ``app`` of its workers."""
    store = collected.store
    workers = store.workers(now, Window.ALL)
    summary = store.summary(now, Window.ALL, app=app)
    name = app or (collected.app.name if collected.app else summary.app)
    return {
        "version": VERSION,
        "app": name,
        "server": summary.server or None,
        "directory": collected.app.directory if collected.app else None,
        "running": bool(collected.app and collected.app.alive) and any(map(running, workers)),
        "history_from": iso(summary.history_from),
        "requests": summary.requests,
        "lost": summary.lost,
        "in_flight": [_in_flight(row) for row in store.in_flight(now, app=app).rows],
        "died": [died_document(died) for died in store.died() if of_app(died, app)],
        "workers": [worker_document(row) for row in _counted(workers)],
        "endpoints": [_endpoint(row) for row in store.endpoints(now, Window.ALL, app=app)],
        "queries": [_query(row) for row in store.queries(now, Window.ALL, app=app)],
        "findings": [finding_document(finding) for finding in collected.report.findings],
    }


def _counted(rows: Sequence[WorkerRow]) -> Sequence[WorkerRow]:
    """The workers whose counts the snapshot shows: those that run; the ended ones where none runs any more."""
    return list(filter(running, rows)) or rows


def running(row: WorkerRow) -> bool:
    """Whether a worker's process has not ended (it may be silent)."""
    return row.state not in ("gone", "died")


def of_app(died: Died, app: str | None) -> bool:
    """Whether a request that died was for ``app`` (None: any); its slot may have cut the name, or never had one."""
    return app is None or app.startswith(died.request.app)


def iso(at: float | None) -> str | None:
    """Unix seconds as ``2026-01-01T00:00:00Z``, with milliseconds where there are any."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(round(at, 3), tz=timezone.utc)
    exact = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=exact).replace("+00:00", "Z")


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _known(value: int) -> int | None:
    return None if value < 0 else value


def died_document(died: Died) -> dict[str, Any]:
    """One request that died with its worker."""
    request = died.request
    return {
        "pid": request.pid,
        "app": request.app,
        "method": request.method,
        "route": request.route or None,
        "path": request.path,
        "age_ms": _ms(request.age_ms),
        "at": iso(died.at),
    }


def _in_flight(row: InFlightRow) -> dict[str, Any]:
    return {
        "pid": row.id.worker.pid,
        "method": row.method,
        "route": row.route or None,
        "path": row.path,
        "age_ms": _ms(row.age_ms),
        "doing": row.doing,
        "statement": row.statement.text if row.statement is not None else None,
        "statements": row.statements,
        "thread": row.thread or None,
    }


def worker_document(row: WorkerRow) -> dict[str, Any]:
    """One worker."""
    return {
        "pid": row.worker.pid,
        "state": row.state,
        "started_at": iso(row.started_at),
        "uptime_s": _ms(row.uptime_s),
        "rss_bytes": row.rss_bytes,
        "uss_bytes": row.uss_bytes,
        "pss_bytes": row.pss_bytes,
        "cpu_percent": _ms(row.cpu_percent),
        "threads": row.threads,
        "open_files": row.open_files,
        "in_flight": row.in_flight,
        "requests": row.requests,
        "gc_collections": row.gc_collections,
        "gc_pause_ms": _ms(row.gc_pause_ms),
        "context_switches": row.context_switches,
        "agent_cpu_percent": _ms(row.agent_cpu_percent),
        "agent_bytes": row.agent_bytes,
        "lost": row.lost,
        "pools": [_pool(pool) for pool in row.pools],
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "engine": pool.engine,
        "size": _known(pool.size),
        "checked_out": _known(pool.checked_out),
        # SQLAlchemy counts overflow up from minus the pool's size; only what lies above zero overflows
        "overflow": max(pool.overflow, 0) if pool.size >= 0 else None,
        "checked_in": _known(pool.checked_in),
    }


def _endpoint(row: EndpointRow) -> dict[str, Any]:
    return {
        "app": row.key.app,
        "method": row.key.method,
        "route": row.key.route,
        "endpoint": row.endpoint or None,
        "count": row.count,
        "errors": row.errors,
        "rate": _ms(row.rate),
        "mean_ms": _ms(row.mean_ms),
        "p50_ms": _ms(row.p50_ms),
        "p95_ms": _ms(row.p95_ms),
        "p99_ms": _ms(row.p99_ms),
        "max_ms": _ms(row.max_ms),
        "first_byte_ms": _ms(row.first_byte_ms),
        "sql_per_request": _ms(row.sql_per_request),
        "rows_per_request": _ms(row.rows_per_request),
        "sql_ms": _ms(row.sql_ms),
        "cpu_ms": _ms(row.cpu_ms),
        "wait_ms": _ms(row.wait_ms),
        "bytes_per_request": _ms(row.bytes_per_request),
        "share": _ms(row.share),
        # 0: no response was begun (SystemExit, say)
        "statuses": {str(status): count for status, count in sorted(row.statuses.items()) if status},
    }


def _query(row: QueryRow) -> dict[str, Any]:
    return {
        "kind": row.key.kind,
        "statement": row.key.text,
        "engine": row.key.engine or None,
        "dialect": row.dialect or None,
        "count": row.count,
        "errors": row.errors,
        "rows": row.rows,
        "rate": _ms(row.rate),
        "mean_ms": _ms(row.mean_ms),
        "p95_ms": _ms(row.p95_ms),
        "max_ms": _ms(row.max_ms),
        "total_ms": _ms(row.total_ms),
        "fetch_ms": _ms(row.fetch_ms),
        "source": row.source or None,
        "function": row.function or None,
        "relationship": row.key.relationship or None,
        "endpoints": list(row.endpoints),
    }
