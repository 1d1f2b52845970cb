"""What the screens of a heap share: rows that can be divided further, and beside them who holds the selected one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container

from flasktop.protocol.commands.heap import By, Step
from flasktop.protocol.events import WorkerId
from flasktop.stats.heaps import Division, HeapLine, Take, lines_of
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.heap_asking import AskingScreen
from flasktop.tui.detail.heap_head import HeapHead, trouble_lines
from flasktop.tui.detail.heap_page import Table, by_line, key_of, more_line, short_name, table_lines
from flasktop.tui.detail.held_page import conclusion, held_lines, wrapped
from flasktop.tui.detail.page import Line, Page
from flasktop.tui.detail.screen import Crumbs
from flasktop.tui.draw.text import line, safe
from flasktop.tui.heap_keys import mark_heap, take_heap
from flasktop.tui.heaps import Trouble
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.widgets.lines import margin

BESIDE_FROM: Final = 180
"""Cells from which on the holders stand beside the rows."""

PANE_FROM: Final = 10
"""Lines of the body, without its head, from which on there is room for both below each other."""

TALL: Final = 24
"""Lines of the body from which on its head may take more of them."""


class HeapTable(AskingScreen):
    """Rows of a heap divided some way, and who holds the selected one."""

    scopes: ClassVar[tuple[Scope, ...]] = ("one heap", "detail")
    BINDINGS = bindings("one heap")

    DEFAULT_CSS = """
    HeapTable #halves { height: 1fr; layout: vertical; }
    HeapTable #pane { height: 0; }
    HeapTable.beside #halves { layout: horizontal; }
    HeapTable.beside #main { width: 3fr; height: 1fr; }
    HeapTable.beside #pane { width: 2fr; height: 1fr; }
    """

    def __init__(self, worker: WorkerId, steps: tuple[Step, ...], by: By, siblings: Sequence[Hashable] = ()) -> None:
        super().__init__(worker, steps, by, siblings)
        self._sort, self._reverse = "", False
        self._rows: tuple[HeapLine, ...] = ()
        self._titles: list[Text] = []

    # What a screen of this kind says about itself

    def rows(self, take: Take) -> tuple[HeapLine, ...] | None:
        """The rows as they are known, None where they must be asked for."""
        part = self.desk.known(self.key, take, self.steps, self.by)
        return None if part is None else lines_of(Division(part.by, part.rows, part.total_rows), part.bytes)

    def total_rows(self, take: Take) -> int:
        """How many rows there are in all, listed or not."""
        part = self.desk.known(self.key, take, self.steps, self.by)
        return part.total_rows if part is not None else 0

    def whole_bytes(self, take: Take) -> int:
        """The size of the set."""
        part = self.desk.known(self.key, take, self.steps, self.by)
        return part.bytes if part is not None else 0

    def compared(self, take: Take) -> tuple[bool, int]:
        """Whether the rows are compared with an earlier take, and how many requests ago that was."""
        return False, 0

    def head(self, context: Context) -> list[Text]:
        """What stands above the rows, without the line of ways to divide."""
        raise NotImplementedError

    def ways(self, context: Context) -> Text:
        """The line of ways to divide."""
        return by_line(self.by, self.offered, context.palette)

    @property
    def offered(self) -> tuple[By, ...]:
        """The ways to divide here."""
        raise NotImplementedError

    def deeper(self, row: HeapLine, step: Step) -> None:
        """Open the set that is a row."""
        raise NotImplementedError

    # Parts

    def body(self) -> ComposeResult:
        yield Crumbs()
        yield HeapHead(id="head-lines")
        with Container(id="halves"):
            yield Page(id="main")
            yield Page(id="pane")

    @property
    def pane(self) -> Page:
        return self.query_one("#pane", Page)

    def copied(self) -> str:
        row = self.selected
        if row is None:
            return ""
        held = self.held(row)
        return f"{row.name}: {conclusion(held, row)}" if held is not None else row.name

    # Drawing

    @property
    def selected(self) -> HeapLine | None:
        """The row under the cursor."""
        choice = self.page.selected
        if not isinstance(choice, tuple):
            return None
        key = key_of(self._rows)
        return next((row for row in self._rows if key(row) == choice[1]), None)

    @property
    def sorted_by(self) -> str:
        """The column that rows are sorted by: the chosen one, else growth where there is any, else size."""
        compared = self.view is not None and self.compared(self.view)[0]
        if self._sort and (compared or not self._sort.startswith("grown")):
            return self._sort
        return "grown_bytes" if compared else "size"

    def refresh_view(self) -> None:
        if (self.feed.frozen and self.view is not None) or not self.query("#main"):
            return
        before, on_top = self.view, self._on_top
        super().refresh_view()
        if self.view is not None and (before is None or before.number != self.view.number):
            self.dividing = None
            if on_top:
                self.page.start()
            self.row_changed()

    @property
    def _on_top(self) -> bool:
        """Whether the cursor is where it was at the start, on whatever the first row is."""
        first = next((each.key for each in self.page.lines if each.key is not None), None)
        return first == self.page.selected

    def redraw(self) -> None:
        if not self.is_mounted or not self.size.width or not self.query("#main"):
            return
        self._share_room()
        super().redraw()
        context = self._of_screen(self.size.width - 2 * margin(self.size.width))
        head = self.head(context)
        if self.view is not None:
            head.append(self.ways(context))
        if self.query_one("#body").size.height >= TALL:
            head.append(line())
        self.query_one(HeapHead).show([*head, *self._titles])
        self.show_pane()

    def _of_screen(self, width: int) -> Context:
        made = super().context(self.page)
        return Context(width, self.query_one("#body").size.height, made.palette)

    def draw_lines(self, context: Context) -> list[Line]:
        take = self.view
        if take is None:
            return []
        known = self.rows(take)
        self._rows, self._titles = known or (), []
        if known is None:
            return self._waiting(context)
        compared, requests = self.compared(take)
        table = Table(self.by, compared, requests, self.sorted_by, self._reverse)
        titles, *lines = table_lines(known, table, context.width, context.palette)
        self._titles = [titles.text]
        return [
            *lines,
            *more_line(known, self.total_rows(take), self.whole_bytes(take), context.palette),
        ]

    def _waiting(self, context: Context) -> list[Line]:
        """Why there are no rows yet."""
        doing = self.dividing
        if doing is None:
            self.divide()
            doing = self.dividing
        if isinstance(doing, Trouble):
            return [Line(each) for each in trouble_lines(doing, context.width, context.palette)]
        words = doing.words(self.flasktop.clock()) if doing is not None else ""
        return [Line(line((f"Dividing by {self.by}: ", context.palette.text), (words, context.palette.accent)))]

    def _share_room(self) -> None:
        beside = self.size.width >= BESIDE_FROM
        self.set_class(beside, "beside")
        if beside:
            self.pane.styles.height = "1fr"
            return
        room = self.query_one("#halves").size.height
        self.pane.styles.height = 0 if room < PANE_FROM else max(5, min(18, room * 2 // 5 + 1))

    def show_pane(self) -> None:
        if not self.query("#pane") or not self.pane.size.width or not self.pane.size.height:
            return
        context = self.context(self.pane)
        palette = context.palette
        row = self.selected
        lines: list[Text] = [] if self.has_class("beside") else [line(("─" * context.width, palette.faint))]
        if row is not None:
            told = f"shortest path from a root to {self._which(row)} "
            name = short_name(safe(row.name), max(12, context.width - len("Held by  ") - len(told)))
            lines.append(line(("Held by", palette.strong), "  ", (told + name, palette.dim)))
            lines += self._held_words(row, context)
        self.pane.show([Line(each) for each in lines])

    def _which(self, row: HeapLine) -> str:
        """Which of the objects of a row the paths lead to."""
        if row.count == 1:
            return "this"
        held = self.held(row)
        return "the largest" if held is None or held.largest else "such a"

    def _held_words(self, row: HeapLine, context: Context) -> list[Text]:
        palette, held = context.palette, self.held(row)
        if held is not None:
            return held_lines(held, row, context.width, palette)
        if row.index is None:
            return wrapped("It was in the earlier take, and is in this one no more.", context.width, palette.dim)
        if self.view is not None and not self.desk.can_walk(self.key, self.view):
            return wrapped(self.not_walkable(), context.width, palette.dim)
        if isinstance(self.searching, Trouble):
            return trouble_lines(self.searching, context.width, palette)
        if self.searching is None:
            return [line(("…", palette.dim))]
        return [line(("Searching: ", palette.text), (self.searching.words(self.flasktop.clock()), palette.accent))]

    # Keys

    def action_open(self) -> None:
        if not self.page.bring_into_view():
            return
        row = self.selected
        if row is None or row.index is None or self.view is None:
            return
        if not self.desk.can_walk(self.key, self.view):
            self.flasktop.say(self.not_walkable(), warn=True)
        elif row.count == 1 and self.by == "object":
            self.flasktop.say("A single object: who holds it is said below.")
        else:
            self.workers.cancel_group(self, "paths")
            self.deeper(row, Step(self.by, row.index))

    def action_by(self, to: int) -> None:
        offered = self.offered
        self.by = offered[(offered.index(self.by) + to) % len(offered)]
        self.workers.cancel_group(self, "division")
        self.dividing = None
        self.page.start()
        self.redraw()
        self.row_changed()

    def action_sort(self, by: int) -> None:
        if self.view is None:
            return
        names = Table(self.by, *self.compared(self.view), self.sorted_by, False).sortable
        at = names.index(self.sorted_by) if self.sorted_by in names else 0
        self._sort, self._reverse = names[(at + by) % len(names)], False
        self.redraw()

    def action_reverse(self) -> None:
        self._reverse = not self._reverse
        self.redraw()

    def action_take_heap(self) -> None:
        row = self.worker_row
        if row is not None:
            take_heap(self.flasktop, row)
        else:
            self.flasktop.say(f"Worker {self.key.pid} has ended, and its heap with it.", warn=True)

    def action_mark_heap(self) -> None:
        mark_heap(self.flasktop, self.key, self.view)

    def action_section(self, by: int) -> None:
        """The other half: what does not fit there can be scrolled."""
        (self.page if self.active is self.pane or not self.pane.size.height else self.pane).focus()
