"""A trend over several lines: a filled area of blocks with its greatest and least value said."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich.color import Color, blend_rgb
from rich.style import Style
from rich.text import Text

from flasktop.tui.draw.spark import BLOCKS

_STEPS = len(BLOCKS)


def area(
    values: Sequence[float], width: int, height: int, style: Style, body: Style, *, floor: float = 0.0
) -> list[Text]:
    """``values`` (oldest first) as ``height`` lines of exactly ``width`` cells, stretched where there are few.

    The greatest value fills the height, ``floor`` is the ground; what is above the ground shows at least one step.
    The edge is drawn in ``style``, what lies below it in ``body``.
    """
    if width <= 0 or height <= 0:
        return []
    shown = _resampled(values, width)
    span = max(shown, default=0.0) - floor
    full = height * _STEPS
    steps = [0 if span <= 0 else max(1, min(full, round((value - floor) / span * full))) for value in shown]
    lines = []
    for level in range(height - 1, -1, -1):
        made = Text(" " * (width - len(steps)), no_wrap=True, end="")
        for inside, run in itertools.groupby(steps, lambda step, over=(level + 1) * _STEPS: step > over):  # type: ignore[misc]
            made.append("".join(_cell(step - level * _STEPS) for step in run), body if inside else style)
        lines.append(made)
    return lines


def faded(style: Style, towards: Style) -> Style:
    """The colour of ``style`` mixed with that of ``towards``, for what should stand back."""
    if style.color is None or towards.color is None or style.color.triplet is None or towards.color.triplet is None:
        return style
    mixed = blend_rgb(style.color.triplet, towards.color.triplet, 0.62)
    return Style(color=Color.from_triplet(mixed))


def _cell(steps: int) -> str:
    return " " if steps <= 0 else BLOCKS[min(steps, _STEPS) - 1]


def _resampled(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return [values[i * len(values) // width] for i in range(width)] if values else []
    return [max(values[i * len(values) // width : (i + 1) * len(values) // width]) for i in range(width)]
