"""Where the time went, as one thin bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.stats.split import TimeSplit
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import joined, line
from flasktop.tui.draw.units import ms_unit


@dataclass(frozen=True, slots=True)
class Part:
    """One part of time: its field in ``TimeSplit``, its name on the screen, its style and its glyph without colour."""

    field: str
    label: str
    style: str
    plain: str

    def of(self, split: TimeSplit) -> float:
        """This part of ``split``, in ms."""
        return float(getattr(split, self.field))

    def shown(self, palette: Palette) -> Style:
        return getattr(palette, self.style)  # type: ignore[no-any-return]

    def glyph(self, palette: Palette) -> str:
        return "━" if palette.color else self.plain


PARTS: Final = (
    Part("execute", "SQL", "sql", "━"),
    Part("fetch", "fetch", "fetch", "═"),
    Part("other", "other SQL", "other", "╍"),
    Part("cpu", "CPU", "cpu", "─"),
    Part("wait", "waiting", "wait", "┄"),
    Part("unknown", "not told", "unknown", "·"),
)
"""In the order of the bar."""


def shares(parts: list[float], cells: int) -> list[int]:
    """``cells`` shared out in proportion to ``parts``, exactly, by largest remainder; nothing known gets nothing."""
    parts = [max(0.0, part) for part in parts]
    total = sum(parts)
    if total <= 0 or cells <= 0:
        return [0] * len(parts)
    exact = [part / total * cells for part in parts]
    whole = [int(share) for share in exact]
    order = sorted(range(len(parts)), key=lambda i: exact[i] - whole[i], reverse=True)
    for i in order[: cells - sum(whole)]:
        whole[i] += 1
    return whole


def split_bar(split: TimeSplit, width: int, palette: Palette, *, scale_ms: float | None = None) -> Text:
    """``split`` as exactly ``width`` cells.

    With ``scale_ms`` (the greatest wall time of a table) the bar is as long as its wall time is of that, at least one
    cell, and blank for the rest; without, it fills the width. No time at all is blank.
    """
    made = Text(no_wrap=True, end="")
    cells = max(0, width)
    if scale_ms is not None and scale_ms > 0:
        cells = min(cells, max(1, round(split.wall / scale_ms * cells)))
    for part, size in zip(PARTS, shares([part.of(split) for part in PARTS], cells), strict=True):
        made.append(part.glyph(palette) * size, part.shown(palette))
    made.append(" " * (max(0, width) - made.cell_len))
    return made


def legend(palette: Palette, split: TimeSplit | None = None, *, every: bool = False) -> Text:
    """The names of the parts beside their glyphs, on one line; see ``legend_entries``."""
    return joined(legend_entries(palette, split, every=every), Text("  "))


def legend_entries(
    palette: Palette, split: TimeSplit | None = None, *, every: bool = False, brief: bool = False
) -> list[Text]:
    """Each part's glyph and name, with the ms of ``split`` where given.

    Parts that are nothing in ``split`` are left out unless ``every``; ``brief`` leaves out what is less than 1 %, too.
    """
    least = split.wall / 100 if brief and split else 0.0
    entries = []
    for part in PARTS:
        value = part.of(split) if split else 0.0
        if split is None and part.field == "unknown":
            continue
        if split is not None and (value <= 0 or value < least) and not every:
            continue
        entry = line(
            (part.glyph(palette) * (1 if brief else 2), part.shown(palette)), " ", (part.label, part.shown(palette))
        )
        if split is not None:
            entry.append(f" {ms_unit(value)}", palette.text)
        entries.append(entry)
    return entries
