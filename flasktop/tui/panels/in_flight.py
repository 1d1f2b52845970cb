"""3 In flight: what runs now, the oldest first, and what each request does at this moment."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.screen import Screen
from textual.worker import Worker

from flasktop.protocol.records import CPU, SQL, WAIT
from flasktop.stats.in_flight import InFlightRow
from flasktop.stats.statements import summary
from flasktop.stats.views import Window
from flasktop.tui.columns import Column
from flasktop.tui.deferred import deferred
from flasktop.tui.draw.doing import age_style, doing_style, over_p95, sentence, short_doing
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place
from flasktop.tui.draw.text import cut, fit, line, safe
from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope
from flasktop.tui.looking import Look, look
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import cell, directory, number
from flasktop.tui.thresholds import OVER_P95
from flasktop.tui.widgets.preview import Drawing, Preview
from flasktop.tui.widgets.tabs import Note
from flasktop.units import count, ms, ms_unit, plural

LOOK_S: Final = 1.0
"""Seconds between looks at the selected request's stack."""
_GLYPHS: Final = {SQL: "▪", WAIT: "◌", CPU: "●"}


def over_text(row: InFlightRow, palette: Palette) -> Text:
    """``▲ 3.2×`` of the endpoint's p95; quiet while it is within it."""
    times = over_p95(row.age_ms, row.p95_ms)
    if times is None:
        return cell("–", palette.dim)
    if times < OVER_P95[0]:
        return cell("ok", palette.faint)
    return cell(f"{'▲▲' if times >= OVER_P95[1] else '▲'} {count(times) if times >= 10 else f'{times:.1f}'}×",
                age_style(row.age_ms, row.p95_ms, palette))  # fmt: skip


def _age(row: InFlightRow, width: int, palette: Palette) -> Text:
    return cell(ms(row.age_ms), age_style(row.age_ms, row.p95_ms, palette))


def _doing(row: InFlightRow, width: int, palette: Palette) -> Text:
    words = short_doing(row.doing, row.kind)
    lasted = f" {ms_unit(row.doing_ms)}" if row.doing_ms is not None else ""
    style = doing_style(row.doing, row.kind, palette)
    made = line((f"{_GLYPHS.get(row.doing, '?')} {words}", style), (lasted, palette.dim))
    if row.statement is not None:
        room = width - made.cell_len - 1
        made.append(f" {fit(summary(row.statement.text), room)}" if room > 8 else "", palette.text)
    return cut(made, width)


def _route(row: InFlightRow, width: int, palette: Palette) -> Text:
    return cell(fit(row.route or "not routed yet", width), palette.strong if row.route else palette.dim)


COLUMNS: tuple[Column[InFlightRow], ...] = (
    Column(
        "age", "AGE ms", 7, 0, _age,
        lambda row: row.age_ms, "How long it has been running; colours by its endpoint's own p95",
        short="AGE",
    ),
    Column(
        "over", "OF p95", 8, 1, lambda row, width, palette: over_text(row, palette),
        lambda row: over_p95(row.age_ms, row.p95_ms), "Its age as a multiple of its endpoint's p95", short="p95",
    ),
    Column(
        "method", "METHOD", 6, 1, lambda row, width, palette: cell(fit(row.method, width), palette.dim),
        lambda row: row.method, "HTTP method", right=False, descending=False, short="METH",
    ),
    Column(
        "route", "ROUTE", 16, 0, _route, lambda row: row.route, "URL rule", right=False, descending=False, grow=1,
        widest=30, good=20,
    ),
    Column(
        "doing", "DOING NOW", 20, 0, _doing, lambda row: row.doing, "In SQL, waiting or on the CPU, and for how long",
        right=False, descending=False, grow=3, widest=80, good=28,
    ),
    Column(
        "sql", "SQL", 5, 2, lambda row, width, palette: number(count(row.statements, quiet=True), palette),
        lambda row: row.statements, "SQL statements so far",
    ),
    Column(
        "cpu", "CPU ms", 6, 4, lambda row, width, palette: number(ms(row.cpu_ms, quiet=True), palette),
        lambda row: row.cpu_ms, "CPU of its thread so far", short="CPU",
    ),
    Column(
        "path", "PATH", 16, 3, lambda row, width, palette: cell(fit(row.path, width), palette.text),
        lambda row: row.path, "Path, the values of the query string masked", right=False, descending=False, grow=2,
        widest=50, good=22,
    ),
    Column(
        "worker", "WORKER", 7, 2, lambda row, width, palette: cell(str(row.id.worker.pid), palette.dim),
        lambda row: row.id.worker.pid, "Process id", descending=False,
    ),
    Column(
        "thread", "THREAD", 12, 5, lambda row, width, palette: cell(fit(row.thread or "–", width), palette.dim),
        lambda row: row.thread, "Its thread, as far as it is known", right=False, descending=False, grow=1, widest=28,
    ),
)  # fmt: skip


class InFlightPanel(ListPanel[InFlightRow]):
    """Requests that run now, in all workers."""

    panel: ClassVar[str] = "in_flight"
    digit: ClassVar[str] = "3"
    title: ClassVar[str] = "In flight"
    scope: ClassVar[Scope] = "in_flight"
    default_sort: ClassVar[str] = "age"
    columns: ClassVar[Sequence[Column[Any]]] = COLUMNS

    def __init__(self) -> None:
        super().__init__()
        self._look: Look | None = None
        self._looking: Worker[None] | None = None
        self._asked_at = float("-inf")

    def rows(self, feed: Feed) -> Sequence[InFlightRow]:
        return feed.store.in_flight(feed.now(), app=feed.app, worker=feed.worker).rows

    def key(self, row: InFlightRow) -> Hashable:
        return row.id

    def text(self, row: InFlightRow) -> str:
        statement = row.statement.text if row.statement is not None else ""
        words = short_doing(row.doing, row.kind)
        return " ".join((row.method, row.route, row.path, words, str(row.id.worker.pid), row.thread, statement))

    def copied(self, row: InFlightRow) -> str:
        return row.statement.text if row.statement is not None else f"{row.method} {row.path}"

    def opened(self, row: InFlightRow) -> Screen[None]:
        from flasktop.tui.detail.stack import StackScreen

        return StackScreen(row.id)

    def nothing(self, window: Window) -> str:
        return "No request is running at this moment.\nThose that take longer than a moment appear here while they run."

    def notes(self) -> list[Note]:
        feed = self.flasktop.feed
        beyond = feed.store.in_flight(feed.now(), app=feed.app, worker=feed.worker).beyond
        younger = [Note(f"{count(beyond)} younger not listed", "dim")] if beyond else []
        return [*super().notes(), *younger]

    # The live stack of the selected row

    def refresh_view(self) -> None:
        super().refresh_view()
        self._look_at_selected()

    def on_table_moved(self) -> None:
        super().on_table_moved()
        self._look_at_selected()

    def _look_at_selected(self) -> None:
        row, feed = self.selected, self.flasktop.feed
        if row is None or feed.frozen or not granted(feed, row) or self.screen is not self.app.screen:
            return
        if not self.query_one(Preview).display:
            return
        clock = self.flasktop.clock()
        same = self._look is not None and self._look.request == row.id
        if self._looking is not None and self._looking.is_running and same:
            return
        if same and clock - self._asked_at < LOOK_S:
            return
        self._asked_at = clock
        self._looking = self.run_worker(deferred(self._take_look, row), exclusive=True, exit_on_error=False)

    async def _take_look(self, row: InFlightRow) -> None:
        flasktop = self.flasktop
        seen = await look(flasktop.source, row.id, flasktop.clock(), self._look)
        if not flasktop.feed.frozen:
            self._look = seen
            self._show_preview()

    def preview(self, row: InFlightRow, feed: Feed) -> Drawing | None:
        root = directory(feed)
        seen = self._look if self._look is not None and self._look.request == row.id else None
        allowed = granted(feed, row)
        return lambda width, height, palette: _draw(row, seen, allowed, root, width, height, palette)


def granted(feed: Feed, row: InFlightRow) -> bool:
    """Whether the request's worker tells stacks."""
    for worker in feed.store.workers(feed.now(), feed.window):
        if worker.worker == row.id.worker and worker.hello is not None:
            return "stacks" in worker.hello.grants
    return True


def _draw(
    row: InFlightRow, seen: Look | None, allowed: bool, root: str, width: int, height: int, palette: Palette
) -> list[Text]:
    facts = [plural(row.statements, "statement"), f"worker {row.id.worker.pid}"]
    if row.thread:
        facts.append(f"thread {safe(row.thread)}")
    aged = age_style(row.age_ms, row.p95_ms, palette)
    head = line(
        (f"{safe(row.method)} {safe(row.path)}", palette.strong), (f"  {ms_unit(row.age_ms)}", aged),
        (f"  {' · '.join(facts)}", palette.dim),
    )  # fmt: skip
    if not allowed:
        said = "Stacks are not granted: FLASKTOP_GRANTS of the app leaves them out."
        return [cut(head, width), line((fit(said, width), palette.warn))]
    if seen is None:
        return [cut(head, width), line(("looking …", palette.dim))]
    if seen.stack is None:
        said = f"{seen.problem.message} {seen.problem.hint}" if seen.problem is not None else ""
        return [cut(head, width), line((fit(safe(said), width), palette.warn))]
    words = fit(safe(sentence(seen.stack, seen.frames, root)), width)
    lines = [cut(head, width), line((words, doing_style(row.doing, row.kind, palette)))]
    for frame in (frame for frame in seen.frames if frame.own):
        where = place(frame.file, frame.line, root, max(20, width // 2))
        text = line(
            (where, palette.strong), (f"  {safe(frame.function)}  ", palette.dim), (safe(frame.source), palette.text)
        )
        lines.append(cut(text, width))
    return lines[:height]
