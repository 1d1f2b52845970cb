"""Where the time went: a bar of its parts, a ruler of what was before and after the first byte, and their figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.stats.split import Phases, TimeSplit
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import joined, line
from flasktop.units import UNKNOWN


@dataclass(frozen=True, slots=True)
class Part:
    """One part of time: its field in ``TimeSplit``, its name on the screen, its style and its glyph."""

    field: str
    label: str
    style: str
    glyph: str

    def of(self, split: TimeSplit) -> float:
        """This part of ``split``, in ms."""
        return float(getattr(split, self.field))

    def shown(self, palette: Palette) -> Style:
        return getattr(palette, self.style)  # type: ignore[no-any-return]


PARTS: Final = (
    Part("execute", "SQL", "sql", "━"),
    Part("fetch", "fetch", "fetch", "═"),
    Part("commit", "commit", "other", "╍"),
    Part("connect", "connect", "connect", "┉"),
    Part("cpu", "CPU", "cpu", "─"),
    Part("wait", "waiting", "wait", "┄"),
    Part("unknown", "CPU or waiting", "unknown", "·"),
)
"""In the order of the bar. Heavy lines are SQL; a glyph is never another part's, for colour may not be seen."""


ALL_PARTS: Final = "SQL, fetch, commit, connect, CPU, waiting (for a core or the GIL, too); dots: CPU or waiting"
"""What a column of bars shows, for the help."""


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
        made.append(part.glyph * size, part.shown(palette))
    made.append(" " * (max(0, width) - made.cell_len))
    return made


def ruler(phases: Phases, width: int, palette: Palette) -> Text:
    """What passed before the first byte and after it, as brackets of exactly ``width`` cells with their names inside.

    A phase whose name does not fit stands without it; one of no cell at all is left out.
    """
    made = Text(no_wrap=True, end="")
    named = ((phases.first_byte, "to first byte"), (phases.body, "body"), (phases.unknown, "first byte not known"))
    for (_, name), cells in zip(named, shares([value for value, _ in named], max(0, width)), strict=True):
        made.append(_bracket(name, cells), palette.dim)
    made.append(" " * (max(0, width) - made.cell_len))
    return made


def _bracket(name: str, cells: int) -> str:
    if cells < 2:
        return "│" * cells
    words = f" {name} " if len(name) + 4 <= cells else ""
    return f"└{words.center(cells - 2, '─') if words else '─' * (cells - 2)}┘"


def exact(values: Sequence[float]) -> tuple[list[str], str]:
    """``values`` (ms) in words whose numbers add up to that of their sum, by largest remainder, and the sum in words.

    What is more than nothing and too little for a digit is ``<0.1``, and counts as nothing.

    >>> exact([33.36, 33.36, 33.28])
    (['34 ms', '33 ms', '33 ms'], '100 ms')
    >>> exact([0.004, 1799.9, 12.3]), exact([0.001, 8.2])
    ((['<1 ms', '1,800 ms', '12 ms'], '1,812 ms'), (['<0.01 ms', '8.20 ms'], '8.20 ms'))
    """
    total = sum(values)
    scale, unit = (1000.0, "s") if total >= 100_000 else (1.0, "ms")
    decimals = 1 if unit == "s" else 0 if round(total, 1) >= 100 else 1 if round(total, 2) >= 10 else 2
    step = 10**decimals
    steps = round(total / scale * step)
    least = f"<{1 / step:.{decimals}f} {unit}"
    told = [
        least if not whole and value > 0 else f"{whole / step:,.{decimals}f} {unit}"
        for value, whole in zip(values, shares(list(values), steps), strict=True)
    ]
    return told, f"{steps / step:,.{decimals}f} {unit}"


def percents(values: Sequence[float]) -> list[str]:
    """``values`` as whole percentages of their sum that add up to 100, by largest remainder.

    >>> percents([1, 1, 1]), percents([0.001, 999])
    (['34 %', '33 %', '33 %'], ['<1 %', '100 %'])
    """
    whole = shares(list(values), 100)
    return [f"{part} %" if part or value <= 0 else "<1 %" for value, part in zip(values, whole, strict=True)]


def names(palette: Palette, splits: Iterable[TimeSplit]) -> Text:
    """The names of all parts that are anything in ``splits`` beside their glyphs, on one line."""
    seen = list(splits)
    shown = [_entry(part, palette) for part in PARTS if any(part.of(split) > 0 for split in seen)]
    return joined(shown, Text("  "))


def legend(palette: Palette, split: TimeSplit, *, brief: bool = False) -> list[Text]:
    """Each part's glyph and name with its time in ``split``, and its percentage unless ``brief``.

    Parts that are nothing in ``split`` are left out; the figures of the others add up exactly.
    """
    values = [part.of(split) for part in PARTS]
    return [
        _entry(part, palette, told if brief else f"{told} {share}")
        for part, value, told, share in zip(PARTS, values, exact(values)[0], percents(values), strict=True)
        if value > 0
    ]


def phase_figures(phases: Phases, palette: Palette) -> list[Text]:
    """The times to the first byte and of the body, and of requests where the first byte is not known: the wall time."""
    figures, _ = exact([phases.first_byte, phases.body, phases.unknown])
    if phases.first_byte <= 0 and phases.body <= 0:
        return [line(("first byte ", palette.dim), (UNKNOWN, palette.text))]
    named = zip(("first byte", "body", "first byte not known"), figures, strict=True)
    facts = [line((f"{name} ", palette.dim), (told, palette.text)) for name, told in named]
    return facts if phases.unknown > 0 else facts[:2]


def _entry(part: Part, palette: Palette, figures: str = "") -> Text:
    style = part.shown(palette)
    entry = line((part.glyph * 2, style), " ", (part.label, style))
    if figures:
        entry.append(f" {figures}", palette.text)
    return entry
