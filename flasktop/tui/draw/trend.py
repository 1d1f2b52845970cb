"""A sparkline for a table: it leaves air above, so that the rows of a column do not grow into a wall."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from flasktop.tui.draw.spark import BLOCKS, spark

_LOWER = str.maketrans({block: BLOCKS[round(i * 5 / 7)] for i, block in enumerate(BLOCKS)})


def trend(values: Sequence[float], width: int, style: Style, *, from_zero: bool = True) -> Text:
    """``values`` (oldest first) as exactly ``width`` cells, the newest at the right.

    One that does not start at zero (memory) shows its own range; what hardly changes stays flat.
    """
    floor = 0.0
    if not from_zero and values:
        low, high = min(values), max(values)
        floor = low - max(high - low, high * 0.05) * 0.25
    made = spark(values, width, style, floor=floor)
    return Text(made.plain.translate(_LOWER), style, no_wrap=True, end="")
