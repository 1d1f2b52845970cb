"""Live counts of a worker's objects by type, on demand, with their growth since the first count."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rich.style import Style
from rich.text import Text

from flasktop.protocol.commands.memory import CountTypes, TypeCount, TypeCounts
from flasktop.protocol.events import WorkerId
from flasktop.tui.columns import Column
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.grid import column, grid
from flasktop.tui.detail.memory_asking import LiveScreen, paragraph
from flasktop.tui.detail.page import BLANK, Line
from flasktop.tui.detail.words import flowed
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, fit, line, safe
from flasktop.tui.heap_keys import take_heap
from flasktop.tui.keys import Scope, bindings
from flasktop.units import clock, duration, ms_unit, plural, signed, whole

AGAIN_S: Final = 10.0
"""How often objects are counted by themselves, where that is switched on."""

NOT_COUNTED: Final = (
    "Counts what the garbage collector tracks: instances, dicts, lists, tuples, functions, but no str, bytes or int, "
    "and nothing that gc.freeze() put aside. A heap (h) weighs them all."
)


class TypesScreen(LiveScreen):
    """Objects by type. It counts when it is opened and when asked to; every ten seconds where that is switched on."""

    scopes: ClassVar[tuple[Scope, ...]] = ("types", "detail")
    BINDINGS = bindings("types")

    def __init__(self, worker: WorkerId) -> None:
        super().__init__(worker)
        self.first: TypeCounts | None = None
        self.last: TypeCounts | None = None
        self.repeating = False
        self._asked_at = float("-inf")

    @property
    def crumb(self) -> str:
        return f"worker {self.key.pid} › objects by type"

    def on_mount(self) -> None:
        self.action_count()

    def answered(self, answer: Any) -> None:
        self.first = self.first or answer
        self.last = answer

    def refresh_view(self) -> None:
        """While the picture is not frozen, and only where that is switched on, count again."""
        due = self.flasktop.clock() - self._asked_at >= AGAIN_S
        if self.repeating and due and self.is_current and not self.feed.frozen and self.trouble is None:
            self.action_count()
        super().refresh_view()

    def copied(self) -> str:
        return "" if self.last is None else "\n".join(f"{row.count}\t{row.name}" for row in self.last.rows)

    def draw_lines(self, context: Context) -> list[Line]:
        palette = context.palette
        lines = self.news(context.width, palette, "each step stops the app for 5 ms at most; esc gives it up")
        if self.first is None or self.last is None:
            return [*lines, BLANK, *paragraph(NOT_COUNTED, min(context.width, 100), palette)]
        lines += [Line(each) for each in self._head(self.first, self.last, context)]
        rows = grown_rows(self.first, self.last)
        compared = self.first is not self.last
        requests = self.last.requests - self.first.requests
        lines += grid(
            rows, _columns(compared, requests), context.width, palette, title="", note="", roomy=False, section="types",
            key=lambda row: row.name,
        )  # fmt: skip
        rest = self.last.types - len(self.last.rows)
        if rest > 0:
            lines.append(Line(line((f"… {plural(rest, 'more type')}", palette.dim))))
        return [*lines, BLANK, *paragraph(NOT_COUNTED, min(context.width, 100), palette)]

    def _head(self, first: TypeCounts, last: TypeCounts, context: Context) -> list[Text]:
        palette = context.palette
        facts = [
            line((whole(last.objects), palette.strong), (f" objects of {plural(last.types, 'type')}", palette.text)),
            line((f"counted {clock(last.at)}", palette.text)),
            line((f"app paused {ms_unit(last.stall_us / 1000)}", palette.text)),
            line((f"took {ms_unit(last.seconds * 1000)}", palette.dim)),
        ]
        every = f"every {AGAIN_S:.0f} s, a stops that" if self.repeating else "a counts every 10 s"
        if first is last:
            told = line(("o", palette.accent), (f" counts again and shows what grew; {every}", palette.dim))
        else:
            since = duration(max(last.at - first.at, 0.0))
            served = plural(max(0, last.requests - first.requests), "request")
            told = line(
                (f"growth since {clock(first.at)} ({since}, {served})", palette.text),
                (f"   o counts again; {every}", palette.dim),
            )
        return [*flowed(facts, context.width, palette), cut(told, context.width)]

    # Keys

    def action_count(self) -> None:
        self._asked_at = self.flasktop.clock()
        self.ask(CountTypes(), TypeCounts, "asking")

    def action_repeat(self) -> None:
        self.repeating = not self.repeating
        self.refresh_view()

    def action_take_heap(self) -> None:
        row = self.worker_row
        if row is not None:
            self.dismiss()
            take_heap(self.flasktop, row)

    def action_from_here(self) -> None:
        self.first = self.last
        self.redraw()

    def action_open(self) -> None:
        """There is nothing deeper: a heap shows more."""


class GrownType(TypeCount, frozen=True):
    """A type with what it grew by."""

    grown: int = 0
    per_1000: float = 0.0


def grown_rows(first: TypeCounts, last: TypeCounts) -> list[GrownType]:
    """The types of ``last``, what grew most first where there is something to compare with, else the most frequent."""
    before = {row.name: row.count for row in first.rows}
    floor = 0 if first.types <= len(first.rows) else min((row.count for row in first.rows), default=0)
    requests = last.requests - first.requests
    rows = []
    for row in last.rows:
        grown = row.count - before.get(row.name, floor)
        rows.append(GrownType(row.name, row.count, grown, grown / requests * 1_000 if requests > 0 else 0.0))
    if first is not last:
        rows.sort(key=lambda row: (-row.grown, -row.count, row.name))
    return rows


def _columns(compared: bool, requests: int) -> list[Column[GrownType]]:
    made: list[Column[GrownType]] = [
        column("objects", 10, 0, lambda row, w, p: line((whole(row.count), p.text))),
    ]
    if compared:
        made.append(column("grown", 10, 0, lambda row, w, p: line((signed(row.grown), _style(row, p)))))
        if requests > 0:
            made.append(
                column("/1,000 req", 10, 1, lambda row, w, p: line((signed(round(row.per_1000)), _style(row, p))))
            )
    made.append(
        column("type", 20, 0, lambda row, w, p: line((fit(safe(row.name), w), p.text)), right=False, grow=1, widest=200)
    )
    return made


def _style(row: GrownType, palette: Palette) -> Style:
    """What grew by a request or more in each ten stands out."""
    return palette.warn if row.per_1000 >= 100 else palette.text if row.grown else palette.faint
