"""The first line tells what flasktop itself costs: what is measured as measured, what is estimated as estimated."""

from __future__ import annotations

from msgspec.structs import replace

from flasktop.stats.views import Summary
from flasktop.tui.draw.palette import NO_COLOR_PALETTE
from flasktop.tui.widgets.summary import own_cost

SUMMARY = Summary(
    app="shop", apps=("shop",), workers=1, silent=0, server="", uptime_s=1.0, requests=1, rate=1.0, p50_ms=1.0,
    p95_ms=1.0, p99_ms=1.0, error_rate=0.0, in_flight=0, cpu_percent=1.0, rss_bytes=1, rss_slope=None, rate_trend=(),
    rss_trend=(), lost=0, history_from=None, agent_cpu_percent=0.4, agent_bytes=12_000_000, hot_cpu_percent=1.2,
)  # fmt: skip


def test_what_requests_pay_is_marked_as_a_lower_bound() -> None:
    part = own_cost(SUMMARY, 0.4, NO_COLOR_PALETTE)

    assert part.text.plain == "flasktop itself 0.4 % + ≈1.2 % in requests · 12.0 MB"
    assert part.short is not None
    assert part.short.plain == "own ≈1.6 %"


def test_without_an_estimate_the_thread_alone_is_told() -> None:
    part = own_cost(replace(SUMMARY, hot_cpu_percent=None), 0.4, NO_COLOR_PALETTE)

    assert part.text.plain == "flasktop itself 0.4 % of a core · 12.0 MB"
