"""A request as a waterfall: an axis of milliseconds and lanes of what happened when."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from rich.style import Style
from rich.text import Text

from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.units import ms

Kind = Literal["execute", "fetch", "other", "cpu", "wait", "body", "request"]

_GLYPHS: Final[dict[Kind, str]] = {
    "execute": "█",
    "fetch": "▓",
    "other": "▒",
    "cpu": "━",
    "wait": "┄",
    "body": "═",
    "request": "─",
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
    step = _step(total_ms, max(1, width // 14))
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

    Each segment covers at least half a cell and each lane that has one at least one cell; where two meet in one
    cell, the longer one there gives the colour.
    """
    halves: list[dict[Kind, float]] = [{} for _ in range(max(0, width) * 2)]
    for segment in segments:
        _paint(halves, segment, total_ms)
    made = Text(no_wrap=True, end="")
    for cell in range(max(0, width)):
        left, right = halves[2 * cell], halves[2 * cell + 1]
        if not left and not right:
            made.append(" ")
            continue
        kind = _longest(left, right)
        glyph = ("━" if right else "╸") if left else "╺"
        made.append(glyph if palette.color else _GLYPHS[kind], style_of(kind, palette))
    return made


def style_of(kind: Kind, palette: Palette) -> Style:
    """The style of a kind of segment; the body is sent, which is neither SQL nor CPU."""
    return {
        "execute": palette.sql,
        "fetch": palette.fetch,
        "other": palette.other,
        "cpu": palette.cpu,
        "wait": palette.wait,
        "body": palette.good,
        "request": palette.faint,
    }[kind]


def _paint(halves: list[dict[Kind, float]], segment: Segment, total_ms: float) -> None:
    if not halves or segment.length_ms < 0:
        return
    scale = len(halves) / total_ms if total_ms > 0 else 0.0
    start = min(max(0.0, segment.start_ms * scale), len(halves) - 1.0)
    end = min(max(start + 1, (segment.start_ms + segment.length_ms) * scale), float(len(halves)))
    for half in range(int(start), max(int(start) + 1, math.ceil(end - 0.5))):
        covered = max(0.01, min(end, half + 1) - max(start, half))
        halves[half][segment.kind] = halves[half].get(segment.kind, 0.0) + covered * min(1.0, segment.length_ms + 1e-6)


def _longest(left: dict[Kind, float], right: dict[Kind, float]) -> Kind:
    sums: dict[Kind, float] = dict(left)
    for kind, value in right.items():
        sums[kind] = sums.get(kind, 0.0) + value
    return max(sums, key=lambda kind: sums[kind])


def _label(value: float) -> str:
    text = ms(value)
    return text.replace(".00s", "s").replace(".0s", "s").removesuffix(".0")


def _step(total_ms: float, parts: int) -> float:
    """A round step (1, 2, 2.5 or 5 of a decade) that cuts ``total_ms`` into at most ``parts``."""
    least = total_ms / parts
    if least <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(least))
    return next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade >= least * 0.999)
