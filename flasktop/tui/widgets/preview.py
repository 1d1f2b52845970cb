"""What stands under a table: more about the selected row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line
from flasktop.tui.widgets.lines import Lines, margin

Drawing = Callable[[int, int, Palette], Sequence[Text]]
"""Draws lines for a width, a height and a palette."""


class Preview(Lines):
    """A rule, and below it what ``show`` was given, drawn only while there is room for it."""

    DEFAULT_CSS = """
    Preview { height: 11; }
    """

    _drawing: Drawing | None = None

    def show(self, drawing: Drawing | None) -> None:
        """Draw this from now on; None for nothing."""
        self._drawing = drawing
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        edge = margin(width)
        lines = [Text("─" * width, palette.faint)]
        if self._drawing is not None:
            lines += [line(" " * edge, each) for each in self._drawing(width - 2 * edge, height - 1, palette)]
        return lines[:height]


def beside(left: Sequence[Text], right: Sequence[Text], at: int) -> list[Text]:
    """``right`` beside ``left``, beginning at cell ``at``."""
    made = []
    for i in range(max(len(left), len(right))):
        row = left[i].copy() if i < len(left) else line()
        row.truncate(at, pad=True)
        if i < len(right):
            row.append_text(right[i])
        made.append(row)
    return made
