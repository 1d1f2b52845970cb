"""What stands above the rows of a heap, and what is said where there is an error instead of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from flasktop.protocol.commands import GONE
from flasktop.tui.detail.held_page import wrapped
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import line, safe
from flasktop.tui.heap_keys import offers_in_process
from flasktop.tui.heaps import Trouble
from flasktop.tui.widgets.lines import Lines, margin


class HeapHead(Lines):
    """What stands above the rows and does not scroll with them."""

    DEFAULT_CSS = """
    HeapHead { height: 1; }
    """

    _shown: Sequence[Text] = ()

    def show(self, lines: Sequence[Text]) -> None:
        """Show these lines."""
        self._shown = lines
        self.styles.height = len(lines)
        self.redraw()

    def draw(self, width: int, height: int, palette: Palette) -> Sequence[Text]:
        edge = " " * margin(width)
        return [line(edge, each) for each in self._shown]


def trouble_lines(trouble: Trouble, width: int, palette: Palette) -> list[Text]:
    """What went wrong, and what to do."""
    return [*wrapped(safe(trouble.message), width, palette.warn), *hint_lines(trouble, width, palette)]


def hint_lines(trouble: Trouble, width: int, palette: Palette) -> list[Text]:
    """What to do about it, and which key does."""
    hint = safe(trouble.hint)
    if trouble.reason == GONE:
        hint += " h does."
    elif offers_in_process(trouble):
        hint += " h asks for that."
    return wrapped(hint, width, palette.dim) if hint else []
