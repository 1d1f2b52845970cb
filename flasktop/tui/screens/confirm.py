"""A question before something that costs: what it is, what it means, yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from flasktop.tui.draw.palette import palette_of
from flasktop.tui.draw.text import safe
from flasktop.tui.keys import Scope, bindings


class ConfirmScreen(ModalScreen[bool]):
    """Asks ``title``, says ``lines``; ``yes`` is what ``y`` does, in two words. No is the easier answer."""

    scopes: ClassVar[tuple[Scope, ...]] = ("confirm",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("confirm")

    DEFAULT_CSS = """
    ConfirmScreen { align: center middle; background: $background 60%; }
    ConfirmScreen > Vertical { width: 72; max-width: 100%; height: auto; max-height: 100%; }
    ConfirmScreen > Vertical { padding: 1 2; background: $panel; }
    ConfirmScreen Static { height: auto; margin-bottom: 1; }
    ConfirmScreen #keys { margin-bottom: 0; }
    """

    def __init__(self, title: str, lines: Sequence[str], yes: str) -> None:
        super().__init__()
        self._title, self._lines, self._yes = title, lines, yes

    def compose(self) -> ComposeResult:
        palette = palette_of(self.app)
        with Vertical():
            yield Static(Text(safe(self._title), palette.strong))
            for each in self._lines:
                yield Static(Text(safe(each), palette.text))
            keys = Text.assemble(("y", palette.accent), (f" {safe(self._yes)}   ", palette.dim))
            yield Static(keys + Text.assemble(("esc", palette.accent), (" leave it", palette.dim)), id="keys")

    def action_accept(self) -> None:
        self.dismiss(True)

    def action_cancel(self) -> None:
        self.dismiss(False)
