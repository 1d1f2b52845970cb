"""A latency distribution as columns on a logarithmic axis, with its percentiles marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.style import Style
from rich.text import Text

from flasktop.stats.views import Bar
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import fit
from flasktop.units import count, ms_unit

_LEVELS = " ▁▂▃▄▅▆▇█"
_FLOOR_MS = 0.05


def distribution(
    bars: Sequence[Bar],
    width: int,
    height: int,
    palette: Palette,
    marks: Mapping[str, float | None] | None = None,
) -> list[Text]:
    """``bars`` as at most ``height`` lines of at most ``width`` cells: columns, axis, and the ``marks`` below it.

    ``marks`` are names with their ms, such as ``{"p50": 8.1, "p95": 61}``; columns beyond the bar of ``p95`` are drawn
    as warning, beyond that of ``p99`` as bad. The greatest column is as high as there is room; what is rare still shows
    its lowest step.
    """
    known = [bar for bar in bars if bar.count > 0]
    if width < 8 or height < 2:
        return []
    if not known:
        return [Text(fit("no requests or calls in this window", width), style=palette.dim, no_wrap=True, end="")]
    low, high = _range(known)
    columns = _columns(known, low, high, width)
    values = {name: value for name, value in (marks or {}).items() if value is not None}
    tail = [_axis(low, high, width, palette)]
    if values and height >= 4:
        tail.insert(0, _marks(values, low, high, width, palette))
    tails = {name: _position(_end_of_bar(known, value), low, high, width) for name, value in values.items()}
    lines = _bars(columns, height - len(tail), palette, tails)
    return [*lines, *tail]


def peak(bars: Sequence[Bar]) -> str:
    """The bar with the most in it, in words: ``most: 412 in 8.0 ms to 10 ms``; empty for no bars."""
    if not any(bar.count for bar in bars):
        return ""
    most = max(bars, key=lambda bar: bar.count)
    return f"most: {count(most.count)} in {ms_unit(most.low_ms)} to {ms_unit(most.high_ms)}"


def _range(bars: Sequence[Bar]) -> tuple[float, float]:
    """The axis: from a little below the first bar to a little above the last, at least a factor of four."""
    low = max(_FLOOR_MS, min(bar.low_ms for bar in bars))
    high = max(max(bar.high_ms for bar in bars), low * 1.01)
    missing = 4 / (high / low)
    if missing > 1:
        low, high = low / math.sqrt(missing), high * math.sqrt(missing)
    return low, high


def _position(value: float, low: float, high: float, width: int) -> float:
    """Where ``value`` lies on the axis, 0 to ``width``."""
    share = math.log(max(value, low) / low) / math.log(high / low)
    return min(float(width), share * width)


def _columns(bars: Sequence[Bar], low: float, high: float, width: int) -> list[float]:
    """The counts of ``width`` columns; a bar wider than a column is spread over what it covers."""
    columns = [0.0] * width
    for bar in bars:
        start = _position(bar.low_ms, low, high, width)
        end = max(_position(bar.high_ms, low, high, width), start + 1e-9)
        for column in range(int(start), min(width, math.ceil(end))):
            overlap = min(end, column + 1) - max(start, column)
            columns[column] += bar.count * max(0.0, overlap) / (end - start)
    return columns


def _end_of_bar(bars: Sequence[Bar], value: float) -> float:
    """Where the bar that holds ``value`` ends: within a bar nobody knows which calls were the slow ones."""
    return next((bar.high_ms for bar in bars if bar.low_ms <= value < bar.high_ms), value)


def _bars(columns: Sequence[float], height: int, palette: Palette, tails: Mapping[str, float]) -> list[Text]:
    most = max(columns)
    steps = height * (len(_LEVELS) - 1)
    heights = [0 if value <= 0 else max(1, round(value / most * steps)) for value in columns]
    styles = [_style(i, palette, tails) for i in range(len(columns))]
    lines = []
    for row in range(height - 1, -1, -1):
        made = Text(no_wrap=True, end="")
        for filled, style in zip(heights, styles, strict=True):
            made.append(_LEVELS[max(0, min(8, filled - row * 8))], style)
        lines.append(made)
    return lines


def _style(column: int, palette: Palette, tails: Mapping[str, float]) -> Style:
    if column >= tails.get("p99", column + 1):
        return palette.bad
    return palette.warn if column >= tails.get("p95", column + 1) else palette.dim


def _marks(marks: Mapping[str, float], low: float, high: float, width: int, palette: Palette) -> Text:
    """A line such as ``▲p50      ▲p95   ▲p99``; a name that would cover the one before is moved or left out."""
    made = Text(no_wrap=True, end="")
    for name, value in sorted(marks.items(), key=lambda item: item[1]):
        at = min(int(_position(value, low, high, width)), width - 1)
        label = f"▲{name}"
        if at + len(label) > width:
            at, label = at - len(name), f"{name}▲"
        if at < made.cell_len + (1 if made else 0):
            continue
        made.append(" " * (at - made.cell_len))
        made.append(label, palette.bad if name == "p99" else palette.warn if name == "p95" else palette.text)
    return made


def _axis(low: float, high: float, width: int, palette: Palette) -> Text:
    """Round values (1, 2, 5 of each decade, or decades alone) under their places."""
    made = ""
    ticks = _ticks(low, high, (1.0, 2.0, 5.0))
    if len(ticks) * 9 > width:
        ticks = _ticks(low, high, (1.0,)) or ticks
    for tick in ticks:
        at = int(_position(tick, low, high, width))
        label = ms_unit(tick).replace(".00", "").replace(".0", "")
        if at < len(made) + (2 if made else 0) or at + len(label) > width:
            continue
        made += " " * (at - len(made)) + label
    return Text(made, style=palette.dim, no_wrap=True, end="")


def _ticks(low: float, high: float, steps: Sequence[float]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [step * 10.0**decade for decade in range(first, last + 1) for step in steps]
    return [tick for tick in ticks if low <= tick <= high]
