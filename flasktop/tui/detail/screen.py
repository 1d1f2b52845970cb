"""What the drill-down screens share: breadcrumbs, a page of lines, and the keys that move in it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.screen import Screen

from flasktop.protocol.events import WorkerId
from flasktop.tui.detail.context import Context, directory_of, started_of
from flasktop.tui.detail.lists import MORE
from flasktop.tui.detail.page import Line, Page, margin
from flasktop.tui.detail.routing import screen_for
from flasktop.tui.draw.palette import Palette, palette_of
from flasktop.tui.draw.text import cut, fit, joined, line, safe
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.screens.base import ViewScreen
from flasktop.tui.widgets.footer import KeyFooter
from flasktop.tui.widgets.lines import Lines

SHORT_NAME = 18
"""Cells of a name on the way here, where the whole way does not fit."""


class Crumbs(Lines):
    """Where one is: ``Endpoints › GET /orders › request 14:02:51.204``."""

    DEFAULT_CSS = """
    Crumbs { height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._path: Sequence[str] = ()
        self._note = ""

    def show(self, path: Sequence[str], note: str = "") -> None:
        """Show the names of the screens, this one last, and a note such as ``2 of 10``."""
        if (path, note) != (self._path, self._note):
            self._path, self._note = path, note
            self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        edge = margin(width)
        room = width - 2 * edge
        short = [*(fit(name, SHORT_NAME) for name in self._path[:-1]), *self._path[-1:]]
        made = self._joined(self._path, palette)
        for left_out in range(len(short)):
            if made.cell_len <= room:
                break
            made = self._joined(["…", *short[left_out:]] if left_out else short, palette)
        return [line(" " * edge, cut(made, room))]

    def _joined(self, path: Sequence[str], palette: Palette) -> Text:
        parts = [line((safe(name), palette.dim)) for name in path[:-1]]
        parts += [line((safe(name), palette.strong)) for name in path[-1:]]
        made = joined(parts, line((" › ", palette.dim)))
        if self._note:
            made.append(f"  {self._note}", palette.dim)
        return made


class DetailScreen(ViewScreen):
    """A drill-down screen over one key; ``siblings`` are the keys of the list it was opened from.

    A subclass names itself (``crumb``), reads its view, draws it as lines, and says what ``y`` copies.
    A view that is gone stays as it was seen last, and the screen says so.
    """

    scopes: ClassVar[tuple[Scope, ...]] = ("detail",)
    BINDINGS = bindings("detail")

    def __init__(self, key: Hashable, siblings: Sequence[Hashable] = ()) -> None:
        super().__init__()
        self.key = key
        self.others = tuple(siblings) if key in siblings else (key,)
        self.view: Any = None
        self.gone = False
        self.opened: set[Hashable] = set()

    # What a screen says about itself

    @property
    def crumb(self) -> str:
        """This screen's name in the breadcrumbs."""
        raise NotImplementedError

    def read(self) -> object | None:
        """The view of ``self.key`` now, None where there is none."""
        raise NotImplementedError

    def draw_lines(self, context: Context) -> list[Line]:
        """``self.view`` as lines."""
        raise NotImplementedError

    def gone_words(self) -> str:
        """What to say where there is no view (any more)."""
        raise NotImplementedError

    def copied(self) -> str:
        """What ``y`` copies: whole, however long; empty for nothing."""
        raise NotImplementedError

    def worker(self) -> WorkerId | None:
        """The worker whose directory and start count, None for all."""
        return self.feed.worker

    # Parts

    def body(self) -> ComposeResult:
        yield Crumbs()
        yield Page(id="main")

    @property
    def page(self) -> Page:
        return self.query_one("#main", Page)

    @property
    def active(self) -> Page:
        """The page that the keys move in."""
        return self.focused if isinstance(self.focused, Page) else self.page

    def on_mount(self) -> None:
        self.flasktop.feed.catch_up()
        self.page.focus()
        if len(self.others) == 1:
            self.others = self._list_behind()
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())
        self.refresh_view()

    def _list_behind(self) -> tuple[Hashable, ...]:
        """The keys of the table that this screen was opened from, in its order; this key alone where there is none."""
        stack = self.app.screen_stack
        behind = stack[stack.index(self) - 1] if self in stack else None
        table = getattr(getattr(behind, "active", None), "table", None)
        keys = tuple(key for key in getattr(table, "keys", ()) if type(key) is type(self.key))
        return keys if self.key in keys else (self.key,)

    # Refresh

    def refresh_view(self) -> None:
        view = self.read()
        self.gone = view is None
        if view is not None:
            self.view = view
        self.redraw()

    def redraw(self) -> None:
        """Draw the view that was read last."""
        if not self.is_mounted or not self.query("#main") or not self.page.size.width:
            return  # not there yet, or no longer
        self.page.show(self._lines(self.context(self.page)))
        at = self.others.index(self.key)
        note = f"{at + 1} of {len(self.others)}" if len(self.others) > 1 else ""
        self.query_one(Crumbs).show(self._path(), note)
        ends = [("sibling(1)", at + 1 == len(self.others)), ("sibling(-1)", at == 0)]
        self.query_one(KeyFooter).leave_out(frozenset(action for action, end in ends if end))

    def context(self, page: Page) -> Context:
        """What to draw with on ``page``."""
        now, window = self.feed.now(), self.feed.window
        workers = self.feed.store.workers(now, window)
        worker = self.worker()
        width = page.size.width
        return Context(
            width - 2 * margin(width),
            page.size.height,
            palette_of(self.app),
            directory_of(workers, worker),
            started_of(workers, worker),
            frozenset(self.opened),
            page.selected,
        )

    def _lines(self, context: Context) -> list[Line]:
        notice: list[Line] = []
        if self.gone:
            seen = " What was seen last:" if self.view is not None else ""
            notice = [Line(line((f"{self.gone_words()}{seen}", context.palette.warn)))]
        return notice + (self.draw_lines(context) if self.view is not None else [])

    def _path(self) -> list[str]:
        names = [getattr(screen, "crumb", "") for screen in self.app.screen_stack]
        panel = getattr(self.app.screen_stack[0], "active", None)
        root = getattr(panel, "title", "") or "Endpoints"
        return [root, *(name for name in names if isinstance(name, str) and name)]

    # Events

    def on_page_resized(self) -> None:
        self.redraw()

    def on_page_opened(self) -> None:
        self.action_open()

    # Keys

    def action_back(self) -> None:
        self.dismiss()

    def action_cursor(self, by: int) -> None:
        self.active.move(by)

    def action_cursor_to(self, row: int) -> None:
        self.active.move_to_end(row < 0)

    def action_page(self, pages: int) -> None:
        self.active.turn(pages)

    def action_section(self, by: int) -> None:
        self.active.next_section(by)

    def action_open(self) -> None:
        if not self.page.bring_into_view():
            return
        choice = self.page.selected
        if not isinstance(choice, tuple) or len(choice) != 2:
            return
        section, key = choice
        if section == MORE:
            self.unfold(choice)
            return
        found = self.screen_of(section, key)
        if found is not None:
            self.app.push_screen(found)

    def screen_of(self, section: str, key: Hashable) -> Screen[None] | None:
        """The screen behind a line, which knows the others of its list."""
        others = [choice[1] for choice in self.page.keys(section) if isinstance(choice, tuple) and choice[0] != MORE]
        return screen_for(key, others)

    def unfold(self, choice: Hashable) -> None:
        """Show the rest of a list; the cursor goes to the first line that was hidden."""
        self.opened.add(choice)
        self.redraw()

    def action_sibling(self, by: int) -> None:
        at = self.others.index(self.key) + by
        if not 0 <= at < len(self.others):
            self.app.bell()
            return
        self.key = self.others[at]
        self.view = None
        self.opened.clear()
        self.page.start()
        self.refresh_view()

    def action_copy(self) -> None:
        text = self.copied()
        if text:
            self.flasktop.copy(text)
