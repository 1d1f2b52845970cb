"""The help: made from the key table, this screen's keys first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from flasktop.tui.detail.words import flowed
from flasktop.tui.draw.palette import Palette, palette_of
from flasktop.tui.draw.split import PARTS
from flasktop.tui.draw.text import line
from flasktop.tui.keys import SCOPE_TITLES, Key, Scope, keys_of


class HelpScreen(ModalScreen[None]):
    """All keys that work where the person came from, and what the colours mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,enter", "dismiss", "close"),
        Binding("j,down", "scroll(1)", "down"),
        Binding("k,up", "scroll(-1)", "up"),
    ]

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen > VerticalScroll {
        width: 100%; max-width: 108; height: auto; max-height: 100%; padding: 1 3; background: $panel; border: none;
        scrollbar-size-vertical: 1; scrollbar-background: $panel; scrollbar-color: $panel-lighten-2;
    }
    HelpScreen Static { width: 1fr; height: auto; }
    """

    def __init__(self, scopes: Sequence[Scope]) -> None:
        super().__init__()
        self._scopes = scopes

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(id="keys", markup=False)

    def on_resize(self) -> None:
        width = min(108, self.size.width) - 8
        self.query_one("#keys", Static).update(Text("\n").join(help_lines(self._scopes, width, palette_of(self.app))))

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)


def help_lines(scopes: Sequence[Scope], width: int, palette: Palette) -> list[Text]:
    """The help as lines of ``width`` cells, in two columns where there is room."""
    lines = [line(("flasktop", palette.accent), ("  the keys that work here", palette.dim)), line()]
    wide = max(len(key.shown) for key in keys_of(*scopes))
    for scope in scopes:
        keys = keys_of(scope)
        if keys:
            lines.append(line((SCOPE_TITLES[scope], palette.strong)))
            lines += _columns([_key_line(key, wide, palette) for key in keys], width)
            lines.append(line())
    lines.append(line(("Where the time goes", palette.strong)))
    parts = [line((f"{part.glyph * 2} ", part.shown(palette)), (part.label, palette.text)) for part in PARTS]
    lines += [*flowed(parts, width, palette, "   "), line(), line(("esc closes", palette.dim))]
    return lines


def _key_line(key: Key, wide: int, palette: Palette) -> Text:
    return line((f"{key.shown:>{wide}}", palette.accent), "  ", (key.help, palette.text))


def _columns(lines: Sequence[Text], width: int) -> list[Text]:
    half = width // 2
    if max((each.cell_len for each in lines), default=0) > half - 2:
        return list(lines)
    rows = (len(lines) + 1) // 2
    made = []
    for i in range(rows):
        row = lines[i].copy()
        if rows + i < len(lines):
            row.append(" " * (half - row.cell_len))
            row.append_text(lines[rows + i])
        made.append(row)
    return made
