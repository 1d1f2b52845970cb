"""A request as a waterfall: an axis of milliseconds and lanes of what happened when."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from rich.style import Style
from rich.text import Text

from flasktop.tui.draw.palette import Palette
from flasktop.units import ms

Kind = Literal["execute", "fetch", "commit", "connect", "cpu", "wait", "body", "request"]

_GLYPHS: Final[dict[Kind, str]] = {
    "execute": "━",
    "fetch": "═",
    "commit": "╍",
    "connect": "┉",
    "cpu": "─",
    "wait": "┄",
    "body": "›",
    "request": "·",
}
"""What the parts look like without colour; the same as in a time split."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a lane, in ms from the request's start."""

    kind: Kind
    start_ms: float
    length_ms: float


def axis(total_ms: float, width: int, palette: Palette) -> Text:
    """Round values under which the lanes of ``total_ms`` stand; the last one carries the unit."""
    if width < 4:
        return Text("", no_wrap=True, end="")
    step = _step(total_ms, max(2, width // 9))
    made = ""
    for i in range(int(total_ms / step) + 1 if total_ms > 0 else 1):
        at = round(i * step / total_ms * width) if total_ms > 0 else 0
        label = "0 ms" if i == 0 else _label(i * step)
        if i and at + len(label) > width:
            break
        if at >= len(made) + (1 if made else 0):
            made += " " * (at - len(made)) + label
    return Text(made, style=palette.dim, no_wrap=True, end="")


def lane(segments: Iterable[Segment], total_ms: float, width: int, palette: Palette) -> Text:
    """``segments`` on one line of exactly ``width`` cells that stands for ``total_ms``.

    Each segment shows, however short. Where several kinds meet in one cell, the longest gives its colour, and what it
    took from the others is made good in the next cells: a lane of a hundred short spans has its colours in proportion.
    """
    halves: list[dict[Kind, float]] = [{} for _ in range(max(0, width) * 2)]
    for segment in segments:
        _paint(halves, segment, total_ms)
    made = Text(no_wrap=True, end="")
    owed: dict[Kind, float] = {}
    for cell in range(max(0, width)):
        left, right = halves[2 * cell], halves[2 * cell + 1]
        if not left and not right:
            made.append(" ")
            continue
        kind = _longest(left, right, owed)
        glyph = ("━" if right else "╸") if left else "╺"
        made.append(glyph if palette.color else _GLYPHS[kind], style_of(kind, palette))
    return made


def style_of(kind: Kind, palette: Palette) -> Style:
    """The style of a kind of segment; the body is being sent, which is neither SQL nor CPU."""
    return {
        "execute": palette.sql,
        "fetch": palette.fetch,
        "commit": palette.other,
        "connect": palette.connect,
        "cpu": palette.cpu,
        "wait": palette.wait,
        "body": palette.text,
        "request": palette.faint,
    }[kind]


def _paint(halves: list[dict[Kind, float]], segment: Segment, total_ms: float) -> None:
    if not halves or segment.length_ms < 0:
        return
    scale = len(halves) / total_ms if total_ms > 0 else 0.0
    start = min(max(0.0, segment.start_ms * scale), len(halves) - 1.0)
    end = min((segment.start_ms + segment.length_ms) * scale, float(len(halves)))
    for half in range(int(start), max(int(start) + 1, math.ceil(end))):
        covered = max(1e-6, min(end, half + 1) - max(start, half))
        halves[half][segment.kind] = halves[half].get(segment.kind, 0.0) + covered


def _longest(left: dict[Kind, float], right: dict[Kind, float], owed: dict[Kind, float]) -> Kind:
    """The kind that colours a cell; ``owed`` is what each kind had in cells before without colouring them."""
    sums: dict[Kind, float] = dict(left)
    for kind, value in right.items():
        sums[kind] = sums.get(kind, 0.0) + value
    chosen = max(sums, key=lambda kind: sums[kind] + owed.get(kind, 0.0))
    for kind, value in sums.items():
        owed[kind] = owed.get(kind, 0.0) + value
    owed[chosen] -= sum(sums.values())
    return chosen


def _label(value: float) -> str:
    return f"{value / 1000:g}s" if 1000 <= value < 60_000 else ms(value).removesuffix(".0")


def _step(total_ms: float, parts: int) -> float:
    """A round step (1, 2, 2.5 or 5 of a decade) that cuts ``total_ms`` into at most ``parts``."""
    least = total_ms / parts
    if least <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(least))
    return next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade >= least * 0.999)
