"""4 Processes: what each worker costs, and who died."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from flasktop.stats.in_flight import Died
from flasktop.stats.views import Window, WorkerRow
from flasktop.tui.columns import Column
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line
from flasktop.tui.draw.trend import trend
from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import cell, number
from flasktop.tui.panels.processes_preview import is_full, is_growing, pool_text, worker_preview
from flasktop.tui.thresholds import CPU_PERCENT
from flasktop.tui.widgets.lines import Lines, margin
from flasktop.tui.widgets.preview import Drawing, Preview
from flasktop.tui.widgets.table import Table
from flasktop.units import bytes_, clock, count, duration, ms, ms_unit, plural, rate, signed_bytes

STATES = {
    "live": ("● live", "good"),
    "connecting": ("○ joining", "dim"),
    "silent": ("◌ silent", "warn"),
    "gone": ("◦ ended", "dim"),
    "died": ("✗ died", "bad"),
}
"""The glyph, word and meaning of each state."""


def state(row: WorkerRow, width: int, palette: Palette) -> Text:
    text, meaning = STATES[row.state]
    return cell(text, getattr(palette, meaning))


def _size(value: int | None, palette: Palette) -> Text:
    return number(bytes_(value), palette)


def _cpu(row: WorkerRow, width: int, palette: Palette) -> Text:
    if row.cpu_percent is None:
        return cell("–", palette.dim)
    return cell(f"{row.cpu_percent:.0f}", palette.threshold(row.cpu_percent, *CPU_PERCENT))


def slope(row: WorkerRow, width: int, palette: Palette) -> Text:
    """How RSS grows: ``+38.0 MB`` an hour, in colour from where it is worth a word."""
    growing = is_growing(row)
    style = palette.warn + Style(bold=True) if growing else palette.dim
    return cell(signed_bytes(row.rss_slope), style)


def _pools(row: WorkerRow, width: int, palette: Palette) -> Text:
    """Each pool as ``out/size``, with ``+overflow``; full ones stand out."""
    if not row.pools:
        return cell("·", palette.faint)
    made = line()
    for i, pool in enumerate(row.pools):
        made.append("  " if i else "")
        made.append(pool_text(pool), palette.warn if is_full(pool) else palette.text)
    return made


def one_decimal(value: float | None) -> str:
    """``0.6``, or ``–`` for what is not known."""
    return "–" if value is None else f"{value:.1f}"


COLUMNS: tuple[Column[WorkerRow], ...] = (
    Column(
        "pid", "PID", 7, 0, lambda row, width, palette: cell(str(row.worker.pid), palette.strong),
        lambda row: row.worker.pid, "Process id", descending=False,
    ),
    Column(
        "state", "STATE", 9, 0, state, lambda row: row.state, "live, silent, ended or died", right=False,
        descending=False,
    ),
    Column(
        "uptime", "UP", 6, 3, lambda row, width, palette: number(duration(row.uptime_s), palette),
        lambda row: row.uptime_s, "Since the process started",
    ),
    Column(
        "rate", "REQ/S", 6, 1, lambda row, width, palette: number(rate(row.rate, quiet=True), palette),
        lambda row: row.rate, "Requests a second",
    ),
    Column(
        "requests", "REQS", 6, 5, lambda row, width, palette: number(count(row.requests), palette),
        lambda row: row.requests, "Requests since its agent began",
    ),
    Column(
        "flight", "FLIGHT", 6, 1, lambda row, width, palette: number(count(row.in_flight, quiet=True), palette),
        lambda row: row.in_flight, "Requests in flight", short="FLY",
    ),
    Column(
        "cpu", "CPU %", 5, 0, _cpu, lambda row: row.cpu_percent, "CPU of one core", short="CPU",
    ),
    Column(
        "cpu_trend", "CPU TREND", 10, 4, lambda row, width, palette: trend(row.cpu_trend, width, palette.cpu),
        lambda row: row.cpu_percent, "CPU over the window", right=False, grow=1, widest=20,
    ),
    Column(
        "rss", "RSS", 8, 0, lambda row, width, palette: _size(row.rss_bytes, palette),
        lambda row: row.rss_bytes, "Resident memory, shared pages included",
    ),
    Column(
        "rss_trend", "RSS TREND", 10, 3,
        lambda row, width, palette: trend(row.rss_trend, width, palette.wait, from_zero=False),
        lambda row: row.rss_bytes, "RSS over the window", right=False, grow=1, widest=20,
    ),
    Column(
        "slope", "GROWTH/H", 9, 1, slope, lambda row: row.rss_slope, "How RSS grows, in bytes an hour",
    ),
    Column(
        "uss", "USS", 8, 5, lambda row, width, palette: _size(row.uss_bytes, palette),
        lambda row: row.uss_bytes, "Memory of its own: what ending it would free",
    ),
    Column(
        "pss", "PSS", 8, 7, lambda row, width, palette: _size(row.pss_bytes, palette),
        lambda row: row.pss_bytes, "Memory with shared pages divided by their users",
    ),
    Column(
        "threads", "THR", 4, 2, lambda row, width, palette: number(count(row.threads), palette),
        lambda row: row.threads, "Threads",
    ),
    Column(
        "files", "FILES", 5, 4, lambda row, width, palette: number(count(row.open_files), palette),
        lambda row: row.open_files, "Open files, sockets included",
    ),
    Column(
        "pool", "POOL", 7, 2, _pools, lambda row: sum(max(0, pool.checked_out) for pool in row.pools),
        "Connections out / size +overflow, per pool", right=False, grow=1, widest=18,
    ),
    Column(
        "gc", "GC", 6, 6, lambda row, width, palette: number(count(row.gc_collections), palette),
        lambda row: row.gc_collections, "Garbage collections since its agent began",
    ),
    Column(
        "gc_ms", "GC ms", 6, 6, lambda row, width, palette: number(ms(row.gc_pause_ms), palette),
        lambda row: row.gc_pause_ms, "Time in garbage collection since its agent began",
    ),
    Column(
        "switches", "SWITCH", 6, 7, lambda row, width, palette: number(count(row.context_switches), palette),
        lambda row: row.context_switches, "Context switches since its agent began",
    ),
    Column(
        "agent", "AGENT %", 7, 6,
        lambda row, width, palette: number(one_decimal(row.agent_cpu_percent), palette),
        lambda row: row.agent_cpu_percent, "flasktop's own thread, CPU of one core", short="AGENT",
    ),
    Column(
        "lost", "LOST", 5, 7,
        lambda row, width, palette: cell(count(row.lost, quiet=True), palette.bad if row.lost else palette.faint),
        lambda row: row.lost, "Requests this reader missed",
    ),
)  # fmt: skip


class DiedList(Lines):
    """Requests that died with their workers; not there while there are none."""

    DEFAULT_CSS = """
    DiedList { height: auto; display: none; }
    """

    _died: Sequence[Died] = ()
    _all = 0

    def show(self, died: Sequence[Died], room: int) -> None:
        """Show the newest ``room`` of them."""
        self._died = sorted(died, key=lambda each: -each.at)[: max(1, room)]
        self._all = len(died)
        self.display = bool(died)
        self.styles.height = len(self._died) + 1
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        edge = " " * margin(width)
        title = f"✗ {plural(self._all, 'request')} died with {'its' if self._all == 1 else 'their'} worker"
        lines = [line(edge, (title, palette.bad))]
        for each in self._died:
            request = each.request
            lines.append(
                line(
                    edge, "  ", (clock(each.at), palette.dim), f"  pid {request.pid}  ",
                    (f"{ms_unit(request.age_ms)} old".rjust(12), palette.warn), "  ",
                    (f"{request.method} {request.route}", palette.strong), "  ", (request.path, palette.dim),
                )
            )  # fmt: skip
        return lines


@dataclass
class HeapWanted(Message):
    """The heap of a worker is to be taken and shown."""

    worker: WorkerRow


class ProcessesPanel(ListPanel[WorkerRow]):
    """One row a worker. Enter shows the whole screen for this worker alone."""

    panel: ClassVar[str] = "processes"
    digit: ClassVar[str] = "4"
    title: ClassVar[str] = "Processes"
    scope: ClassVar[Scope] = "processes"
    default_sort: ClassVar[str] = "pid"
    columns: ClassVar[Sequence[Column[Any]]] = COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = bindings("processes")

    def compose(self) -> ComposeResult:
        yield Table(self.key)
        yield DiedList()
        yield Preview()

    def rows(self, feed: Feed) -> Sequence[WorkerRow]:
        return feed.store.workers(feed.now(), feed.window)

    def key(self, row: WorkerRow) -> Hashable:
        return row.worker

    def text(self, row: WorkerRow) -> str:
        return f"{row.worker.pid} {row.state}"

    def copied(self, row: WorkerRow) -> str:
        return str(row.worker.pid)

    def nothing(self, window: Window) -> str:
        return "No worker has answered yet."

    def refresh_view(self) -> None:
        super().refresh_view()
        died = self.flasktop.feed.store.died()
        self.query_one(DiedList).show(died, max(2, self.screen.size.height // 6))

    def action_take_heap(self) -> None:
        """Take the selected worker's heap and go where it is shown."""
        row = self.selected
        if row is not None:
            self.post_message(HeapWanted(row))

    def preview(self, row: WorkerRow, feed: Feed) -> Drawing | None:
        return partial(worker_preview, row)
