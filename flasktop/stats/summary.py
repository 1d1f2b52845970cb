"""The first line and the rows of processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from flasktop.protocol.records import UNKNOWN
from flasktop.stats.columns import COUNT, ERRORS
from flasktop.stats.held import held_rows
from flasktop.stats.histogram import Histogram
from flasktop.stats.latencies import milliseconds
from flasktop.stats.rows import Rows
from flasktop.stats.saturation import capacity_of
from flasktop.stats.selection import Selection
from flasktop.stats.views import Summary, Window, WorkerRow
from flasktop.stats.workers import Worker, sum_of

_RSS_STEP: Final = {
    Window.TEN_SECONDS: (30, 1),
    Window.MINUTE: (30, 2),
    Window.FIVE_MINUTES: (30, 10),
    Window.ALL: (60, 60),
}
"""Points and seconds a point of the trends of memory and CPU; ALL shows up to an hour."""


def summary(
    workers: Sequence[Worker],
    shown: Sequence[Worker],
    selection: Selection,
    now: float,
    window: Window,
    app: str | None,
) -> Summary:
    """Return the first line. ``workers`` are all that serve the app, ``shown`` those whose counts ALL shows."""
    live = [worker for worker in workers if worker.state == "live"]
    silent = sum(1 for worker in workers if worker.state == "silent")
    names = _apps(workers)
    requests = sum(sums[COUNT] for sums in selection.endpoints.values())
    errors = sum(sums[ERRORS] for sums in selection.endpoints.values())
    p50, p95, p99 = _quantiles(hist for name, hist in selection.apps.items() if app is None or name == app)
    rss, agent = sum_of(live, lambda s: s.rss_bytes), sum_of(live, lambda s: s.agent_bytes)
    return Summary(
        app=app or (names[0] if names else ""),
        apps=names,
        workers=len(live) + silent,
        silent=silent,
        server=next((w.hello.server for w in (*live, *shown) if w.hello is not None), ""),
        uptime_s=_uptime(shown, now),
        requests=requests,
        rate=requests / selection.seconds,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        error_rate=errors / requests if requests else 0.0,
        in_flight=int(sum_of(live, lambda s: s.in_flight) or 0),
        cpu_percent=sum_of(live, lambda s: s.cpu_percent),
        rss_bytes=None if rss is None else int(rss),
        rss_slope=_slope(live),
        rate_trend=selection.endpoint_trend.of_rows(list(selection.endpoints)),
        rss_trend=_rss_trend(live, now, window),
        lost=sum(worker.losses.lost for worker in workers),
        history_from=min((w.history_from for w in shown if w.history_from is not None), default=None),
        agent_cpu_percent=sum_of(live, lambda s: s.agent_cpu_percent),
        agent_bytes=None if agent is None else int(agent),
        hot_cpu_percent=sum_of(live, lambda s: s.hot_cpu_percent),
    )


def worker_row(worker: Worker, rows: Rows, now: float, window: Window, rate: float) -> WorkerRow:
    """Return the row of one process; ``rate`` is its requests a second in the window."""
    hello, sample = worker.hello, worker.sample
    points, step = _RSS_STEP[window]
    rss_trend, cpu_trend = worker.history.trends(now, points, step)
    counted = worker.totals.requests()
    return WorkerRow(
        worker=worker.identity,
        state=worker.state,
        hello=hello,
        state_since=worker.state_at,
        started_at=None if hello is None else hello.started_at,
        uptime_s=_own_uptime(worker, now),
        rss_bytes=_known(sample.rss_bytes if sample else None),
        uss_bytes=_known(sample.uss_bytes if sample else None),
        pss_bytes=_known(sample.pss_bytes if sample else None),
        cpu_percent=sample.cpu_percent if sample else None,
        threads=_known(sample.threads if sample else None),
        open_files=_known(sample.open_files if sample else None),
        in_flight=_known(sample.in_flight if sample else None),
        requests=max(sample.requests, counted) if sample else (counted or None),
        rate=rate,
        gc_collections=_known(sample.gc_collections if sample else None),
        gc_pause_ms=milliseconds(_known(sample.gc_pause_us if sample else None)),
        context_switches=_known(sample.context_switches if sample else None),
        agent_cpu_percent=sample.agent_cpu_percent if sample else None,
        agent_bytes=_known(sample.agent_bytes if sample else None),
        pools=sample.pools if sample else (),
        lost=worker.losses.lost,
        rss_trend=rss_trend,
        cpu_trend=cpu_trend,
        rss_slope=worker.history.slope() if worker.alive else None,
        held=held_rows(worker, rows),
        held_beyond=sample.held_beyond if sample and worker.alive else 0,
        capacity=capacity_of(sample),
        saturated=worker.saturation.share(now) if worker.alive else None,
    )


def _known(value: int | None) -> int | None:
    return None if value == UNKNOWN else value


def _apps(workers: Sequence[Worker]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for worker in workers:
        names.update(dict.fromkeys(worker.hello.apps if worker.hello is not None else ()))
        names.update(dict.fromkeys(worker.sample.apps if worker.sample is not None else ()))
    return tuple(names)


def _uptime(shown: Sequence[Worker], now: float) -> float | None:
    return max((up for up in (_own_uptime(worker, now) for worker in shown) if up is not None), default=None)


def _own_uptime(worker: Worker, now: float) -> float | None:
    """Seconds since the process began: what it said of itself, and what has passed since; a dead one's stands still."""
    hello = worker.hello
    if hello is None:
        return None
    end = now if worker.alive else (worker.seen or now)
    return max(hello.at - hello.started_at, 0.0) + max(end - hello.mono - worker.offset, 0.0)


def _quantiles(hists: Iterable[Histogram]) -> tuple[float | None, ...]:
    found = [hist for hist in hists if hist.total]
    if len(found) == 1:
        return tuple(map(milliseconds, found[0].quantiles(0.5, 0.95, 0.99)))
    merged = Histogram()
    for hist in found:
        merged.merge(hist)
    return tuple(map(milliseconds, merged.quantiles(0.5, 0.95, 0.99)))


def _slope(live: Sequence[Worker]) -> float | None:
    """The growth of all: the sum of each worker's own slope, so that a worker that comes or goes is no slope."""
    slopes = [slope for slope in (worker.history.slope() for worker in live) if slope is not None]
    return sum(slopes) if slopes else None


def _rss_trend(live: Sequence[Worker], now: float, window: Window) -> tuple[float, ...]:
    """RSS of all live workers together, over the points that all of them have."""
    points, step = _RSS_STEP[window]
    trends = [worker.history.trends(now, points, step)[0] for worker in live]
    trends = [trend for trend in trends if trend]
    shortest = min((len(trend) for trend in trends), default=0)
    return tuple(sum(values) for values in zip(*(trend[len(trend) - shortest :] for trend in trends), strict=True))
