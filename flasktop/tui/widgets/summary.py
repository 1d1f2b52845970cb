"""The first two lines: how is my app?"""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from flasktop.stats.views import Summary, Window
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line
from flasktop.tui.draw.trend import trend
from flasktop.tui.state import Status
from flasktop.tui.thresholds import ERRORS, LATENCY_MS, RSS_GROWTH
from flasktop.tui.widgets.lines import Lines, Part, laid_out, margin
from flasktop.units import bytes_, clock, count, duration, ms, ms_unit, percent, plural, rate, signed_bytes


class SummaryBar(Lines):
    """Two lines and a rule; what does not fit goes by rank, never in the middle of a word."""

    DEFAULT_CSS = """
    SummaryBar { height: 3; dock: top; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._summary: Summary | None = None
        self._window = Window.MINUTE
        self._status = Status("waiting", 1.0)

    def show(self, summary: Summary, window: Window, status: Status) -> None:
        """Show these."""
        self._summary, self._window, self._status = summary, window, status
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        edge = margin(width)
        inner = width - 2 * edge
        rule = Text("─" * width, palette.faint)
        if self._summary is None:
            return [Text(), Text(), rule]
        first = laid_out(
            identity(self._summary, self._status, palette),
            condition(self._summary, self._window, self._status, palette),
            inner,
        )
        second = laid_out(vital_signs(self._summary, width, palette), [], inner, gap=2 if width < 140 else 3)
        return [line(" " * edge, first), line(" " * edge, second), rule]


def identity(summary: Summary, status: Status, palette: Palette) -> list[Part]:
    """Who is watched: app, workers, server, uptime, and who died."""
    badge = line((" flasktop ", palette.accent + Style(reverse=True)))
    dot = line((" · ", palette.faint))
    workers = plural(summary.workers, "worker")
    parts = [
        Part(badge, 5),
        Part(line((summary.app or "–", palette.strong)), 0),
        Part(line((workers, palette.dim)), 1),
    ]
    if summary.server:
        parts.append(Part(line(dot, (summary.server, palette.dim)), 6, glued=True))
    if summary.uptime_s is not None:
        parts.append(Part(line(dot, (f"up {duration(summary.uptime_s)}", palette.dim)), 4, glued=True))
    if summary.silent:
        parts.append(Part(line((f"◌ {summary.silent} silent", palette.warn)), 1))
    if status.died:
        parts.append(Part(line((f"✗ {status.died} died", palette.bad)), 1))
    return parts


def condition(summary: Summary, window: Window, status: Status, palette: Palette) -> list[Part]:
    """How it is watched: window, interval, state, losses and our own cost."""
    lost = palette.bad if summary.lost else palette.dim
    parts = [
        Part(line(("window ", palette.dim), (window.label, palette.strong)), 3, line((window.label, palette.strong))),
        Part(line((f"every {_seconds(status.interval)}", palette.dim)), 4),
        Part(state(status, palette), 0),
        Part(line((f"lost {count(summary.lost)}", lost)), 0 if summary.lost else 4),
    ]
    if summary.agent_cpu_percent is not None:
        parts.append(own_cost(summary, summary.agent_cpu_percent, palette))
    return parts


def own_cost(summary: Summary, thread: float, palette: Palette) -> Part:
    """What flasktop costs the app: its own thread as measured, and what the requests pay as an estimate (≈)."""
    told = f"flasktop itself {thread:.1f} % of a core"
    short = f"own {thread:.1f} %"
    if summary.hot_cpu_percent is not None:
        told = f"flasktop itself {thread:.1f} % + ≈{summary.hot_cpu_percent:.1f} % in requests"
        short = f"own ≈{thread + summary.hot_cpu_percent:.1f} %"
    held = f" · {bytes_(summary.agent_bytes)}" if summary.agent_bytes is not None else ""
    return Part(line((told + held, palette.dim)), 7, line((short, palette.dim)))


def state(status: Status, palette: Palette) -> Text:
    """The state as a glyph and a word."""
    if status.frozen_at is not None:
        return line((f"‖ frozen {clock(status.frozen_at)}", palette.accent))
    if status.connection == "live":
        return line(("● live", palette.good))
    glyph = {"silent": "◌ silent", "reconnecting": "↻ reconnecting", "waiting": "○ waiting"}[status.connection]
    return line((glyph, palette.warn))


def vital_signs(summary: Summary, width: int, palette: Palette) -> list[Part]:
    """The numbers: rate, percentiles, errors, in flight, CPU, RSS."""
    wide = 12 if width < 160 else 20

    def value(
        label: str, number: str, unit: str = "", style: Style | None = None, short: str | None = None
    ) -> tuple[Text, Text]:
        bold = (style or palette.text) + Style(bold=True)
        full = line((f"{label} ", palette.dim), (number, bold), (f" {unit}" if unit else "", palette.dim))
        return full, line(
            (f"{short or label} ", palette.dim), (number, bold), ("%" if unit == "%" else "", palette.dim)
        )

    def time(label: str, at: float | None, rank: int) -> Part:
        number, _, unit = ms_unit(at).partition(" ")
        text, short = value(label, number, unit, palette.threshold(at, *LATENCY_MS) if at is not None else palette.dim)
        return Part(
            text, rank, short if unit == "ms" else line((f"{label} ", palette.dim), _strong(ms(at), at, palette))
        )

    rates, _ = value("req/s", rate(summary.rate))
    errors, errors_short = value(
        "errors", percent(summary.error_rate), "%", _errors(summary.error_rate, palette), "err"
    )
    flight, flight_short = value("in flight", count(summary.in_flight), short="flight")
    parts = [
        Part(rates, 0),
        Part(trend(summary.rate_trend, wide, palette.sql), 6),
        time("p50", summary.p50_ms, 2),
        time("p95", summary.p95_ms, 1),
        time("p99", summary.p99_ms, 3),
        Part(errors, 1, errors_short),
        Part(flight, 3, flight_short),
    ]
    if summary.cpu_percent is not None:
        cpu, cpu_short = value("cpu", f"{summary.cpu_percent:.0f}", "%")
        parts.append(Part(cpu, 2, cpu_short))
    return parts + _memory(summary, wide, palette)


def _memory(summary: Summary, wide: int, palette: Palette) -> list[Part]:
    if summary.rss_bytes is None:
        return []
    number, _, unit = bytes_(summary.rss_bytes).partition(" ")
    short = line(("rss ", palette.dim), (number, palette.strong), (unit[:1], palette.dim))
    parts = [Part(line(("rss ", palette.dim), (number, palette.strong), (f" {unit}", palette.dim)), 2, short)]
    slope = summary.rss_slope
    growing = slope is not None and slope > RSS_GROWTH
    style = palette.wait if growing else palette.unknown
    if summary.rss_trend:
        parts.append(Part(trend(summary.rss_trend, wide, style, from_zero=False), 7))
    if slope is not None:
        parts.append(Part(line((f"{signed_bytes(slope)}/h", palette.warn if growing else palette.dim)), 5))
    return parts


def _errors(share: float, palette: Palette) -> Style:
    return palette.threshold(share, *ERRORS)


def _strong(text: str, value: float | None, palette: Palette) -> tuple[str, Style]:
    return text, palette.threshold(value, *LATENCY_MS) + Style(bold=True)


def _seconds(interval: float) -> str:
    return f"{interval:g} s"
