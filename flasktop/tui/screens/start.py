"""Before there is something to show: how to switch flasktop on, or which of several apps to watch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from flasktop.client.apps import RunningApp
from flasktop.tui.columns import Column
from flasktop.tui.draw.code import coloured
from flasktop.tui.draw.palette import NO_COLOR_PALETTE, Palette
from flasktop.tui.draw.text import fit, fit_left, line
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.panels.cells import cell, number
from flasktop.tui.widgets.footer import KeyFooter
from flasktop.tui.widgets.lines import Lines, margin
from flasktop.tui.widgets.table import Table
from flasktop.units import count

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp

SWITCH_ON = "from flasktop import FlaskTop\n\napp = Flask(__name__)\nFlaskTop(app)"

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def _workers(row: RunningApp, width: int, palette: Palette) -> Text:
    return number(count(len(row.workers)), palette) if row.alive else cell("killed", palette.bad)


COLUMNS: tuple[Column[RunningApp], ...] = (
    Column(
        "app", "APP", 12, 0, lambda row, width, palette: cell(row.name, palette.strong), lambda row: row.name, "Name",
        right=False, descending=False, grow=2, widest=30,
    ),
    Column(
        "workers", "WORKERS", 7, 0,
        _workers,
        lambda row: len(row.workers), "Processes",
    ),
    Column(
        "pid", "PID", 7, 1, lambda row, width, palette: cell(str(row.group), palette.text), lambda row: row.group,
        "The server's process",
    ),
    Column(
        "server", "SERVER", 16, 2, lambda row, width, palette: cell(row.server, palette.text), lambda row: row.server,
        "Server", right=False,
    ),
    Column(
        "directory", "DIRECTORY", 16, 1, lambda row, width, palette: cell(fit_left(row.directory, width), palette.dim),
        lambda row: row.directory, "Where it runs", right=False, grow=3, widest=60,
    ),
)  # fmt: skip


class Story(Lines):
    """What is waited for, and what to do about it."""

    DEFAULT_CSS = """
    Story { height: auto; margin: 1 0 0 0; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._turn = 0
        self.target: str | None = None
        self.searched: Sequence[str] = ()
        self.problems: Sequence[tuple[str, str]] = ()
        self.running = self.dead = 0

    def turn(self) -> None:
        """Show that we are alive."""
        self._turn += 1
        self.styles.height = len(self._lines(100, self._turn, None))
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        edge = " " * margin(width)
        return [line(edge, each) for each in self._lines(width - 2 * len(edge), self._turn, palette)]

    def _lines(self, width: int, turn: int, palette: Palette | None) -> list[Text]:
        look = palette or NO_COLOR_PALETTE
        if self.running > 1:
            return [line((f"{self.running} apps are running. ", look.strong), ("Which one?", look.text)), line()]
        who = f"an app that answers to “{self.target}”" if self.target else "a Flask app with flasktop switched on"
        lines = [
            line(
                (f"{SPINNER[turn % len(SPINNER)]} ", look.accent), (fit(f"Waiting for {who}", width - 2), look.strong)
            ),
            line(("  It appears here by itself with the first request it serves.", look.dim)),
            line(),
            line(("Switch it on with two lines, in the app:", look.text)),
            line(),
            *(line("    ", each) for each in coloured(SWITCH_ON, "python", look).split("\n", allow_blank=True)),
            line(),
            line(("then start the app as always, and send it a request.", look.text)),
            line(),
        ]
        return lines + self._where(width, look)

    def _where(self, width: int, look: Palette) -> list[Text]:
        lines = []
        if self.searched:
            lines.append(line(("Searched:", look.strong)))
            lines += [line("    ", (fit_left(each, width - 4), look.text)) for each in self.searched[:4]]
        for message, hint in self.problems[:3]:
            lines.append(line(("! ", look.warn), (fit(message, width - 2), look.warn)))
            if hint:
                lines.append(line("  ", (fit(hint, width - 2), look.dim)))
        lines += [
            line(),
            line(("Running and not found?", look.strong)),
            line(
                "    ",
                (
                    fit("In a service or container: give both the same FLASKTOP_DIR.", width),
                    look.dim,
                ),
            ),
            line("    ", (fit("Another user's: run flasktop as that user, or with sudo.", width), look.dim)),
        ]
        if self.dead:
            lines += [line(), line(("Killed workers left this behind:", look.strong))]
        return lines


class StartScreen(Screen[None]):
    """Waits until an app is chosen: by itself when there is one, by the person when there are several."""

    scopes: ClassVar[tuple[Scope, ...]] = ("start",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("start")
    AUTO_FOCUS: ClassVar[str | None] = "Table"

    DEFAULT_CSS = """
    StartScreen { background: $background; }
    StartScreen #badge { height: 1; margin: 1 0 0 0; }
    """

    def compose(self) -> ComposeResult:
        yield Badge(id="badge")
        yield Story()
        yield Table(self._key)
        yield KeyFooter(("everywhere",))

    def on_mount(self) -> None:
        self.refresh_view()
        self.set_interval(0.12, self._spin)

    @staticmethod
    def _key(app: RunningApp) -> Hashable:
        return (app.names, app.group, app.directory)

    def _spin(self) -> None:
        if self.is_current:
            self.query_one(Story).turn()

    def refresh_view(self) -> None:
        """Look at what is there now."""
        source = cast("FlasktopApp", self.app).source
        running, dead = source.apps(), source.dead_apps()
        story, table = self.query_one(Story), self.query_one(Table)
        story.target = getattr(source, "target", None)
        story.searched = source.searched
        story.problems = [(problem.message, problem.hint) for problem in source.problems]
        story.running, story.dead = len(running), len(dead)
        story.turn()
        table.display = bool(running or dead)
        self.query_one(KeyFooter).show(("start", "everywhere") if table.display else ("everywhere",))
        table.show_columns(COLUMNS, "", False)
        table.show_rows([*running, *dead])

    def action_cursor(self, by: int) -> None:
        self.query_one(Table).move(by)

    def action_choose(self) -> None:
        row = self.query_one(Table).selected
        if row is not None:
            cast("FlasktopApp", self.app).choose(row)

    def on_table_opened(self) -> None:
        self.action_choose()


class Badge(Lines):
    """The program's name."""

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        return [
            line(
                " " * margin(width),
                (" flasktop ", palette.accent + Style(reverse=True)),
                ("  top for Flask", palette.dim),
            )
        ]
