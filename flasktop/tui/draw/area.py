"""A trend over several lines: a filled area of blocks with its greatest and least value said."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from flasktop.tui.draw.spark import BLOCKS

_STEPS = len(BLOCKS)


def area(values: Sequence[float], width: int, height: int, style: Style, *, floor: float = 0.0) -> list[Text]:
    """``values`` (oldest first, the newest at the right) as ``height`` lines of exactly ``width`` cells.

    The greatest value fills the height, ``floor`` is the ground; what is above the ground shows at least one step.
    """
    if width <= 0 or height <= 0:
        return []
    shown = _resampled(values, width)
    span = max(shown, default=0.0) - floor
    full = height * _STEPS
    steps = [0 if span <= 0 else max(1, min(full, round((value - floor) / span * full))) for value in shown]
    lines = []
    for level in range(height - 1, -1, -1):
        cells = "".join(_cell(step - level * _STEPS) for step in steps)
        lines.append(Text(" " * (width - len(cells)) + cells, style, no_wrap=True, end=""))
    return lines


def _cell(steps: int) -> str:
    return " " if steps <= 0 else BLOCKS[min(steps, _STEPS) - 1]


def _resampled(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    return [max(values[i * len(values) // width : (i + 1) * len(values) // width]) for i in range(width)]
