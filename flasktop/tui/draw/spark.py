"""A sparkline: a trend in one line of blocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

BLOCKS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], width: int, style: Style | str = "", *, floor: float = 0.0) -> Text:
    """``values`` (oldest first) as exactly ``width`` cells, the newest at the right.

    More values than cells: each cell shows the mean of its stretch. Fewer: the left stays empty. The greatest value
    is a full block, ``floor`` (for trends that do not start at zero, such as RSS) or less the lowest one; any value
    above it is at least one step higher, so that "little" never looks like "nothing".
    """
    if width <= 0:
        return Text("", no_wrap=True, end="")
    shown = _resampled(values, width)
    span = max(shown, default=0.0) - floor
    drawn = "".join(_block(value - floor, span) for value in shown)
    return Text(" " * (width - len(drawn)) + drawn, style=style, no_wrap=True, end="")


def _block(value: float, span: float) -> str:
    if value <= 0 or span <= 0:
        return BLOCKS[0]
    return BLOCKS[max(1, min(len(BLOCKS) - 1, round(value / span * (len(BLOCKS) - 1))))]


def _resampled(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
