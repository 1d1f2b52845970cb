"""What the Heap panel says of a worker's memory before a heap is taken: what grows, and whether collections cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from flasktop.stats.memory_views import EndpointGrowth, GcGeneration, MemoryRow
from flasktop.tui.draw.area import area, faded
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, fit, joined, left, line, right, safe
from flasktop.tui.thresholds import RSS_GROWTH
from flasktop.tui.widgets.preview import beside
from flasktop.units import bytes_, count, duration, ms_unit, percent, plural, signed_bytes

BLOCKS_GROWTH: Final = 0.02
"""Part of its allocated blocks that a worker must gain in an hour to be said to grow."""
BLOCKS_LEAST: Final = 20_000.0
GC_SHARE: Final = (0.02, 0.1)
"""Part of the time spent in garbage collection that is worth a word, and much."""
BESIDE_FROM: Final = 90
"""Cells from which on the graph and the words stand beside each other."""
GRAPH: Final = 70


def memory_preview(row: MemoryRow, width: int, height: int, palette: Palette) -> list[Text]:
    """``row`` in at most ``height`` lines: sizes and slopes, what grows, RSS as a graph, collections by generation, and
    what a request of each endpoint leaves behind."""
    lines = [cut(each, width) for each in (_sizes(row, palette), verdict(row, palette))][: max(0, height)]
    room = height - len(lines)
    if room <= 0:
        return lines
    told = [*gc_lines(row.gc, row.gc_share, palette), *growth_lines(row.growth, palette, max(1, room - 4))]
    if width < BESIDE_FROM:
        graph = _graph(row, width, max(0, min(4, room - len(told))), palette) if room - len(told) >= 3 else []
        return [*lines, *graph, *(cut(each, width) for each in told)][:height]
    wide = min(GRAPH, width * 2 // 5)
    graph = _graph(row, wide, room, palette)
    return [*lines, *beside(graph, [cut(each, width - wide - 3) for each in told[:room]], wide + 3)]


def verdict(row: MemoryRow, palette: Palette) -> Text:
    """What grows, in a sentence."""
    if row.rss_slope is None:
        return line(("What grows is told after half a minute of samples.", palette.dim))
    rss = row.rss_slope >= RSS_GROWTH
    blocks = None if row.blocks_slope is None else _grows(row)
    if rss and blocks:
        words = "Python's objects grow, and RSS with them. "
        return line((words, palette.warn), ("h", palette.accent), (" takes a heap and says which.", palette.warn))
    if rss and blocks is False:
        words = "RSS grows, Python's blocks do not: memory of C code, large buffers, or fragmentation."
        return line((words, palette.warn))
    if rss:
        return line(("RSS grows.", palette.warn))
    if blocks:
        words = "Python's objects grow, RSS does not yet: what was free before takes them."
        return line((words, palette.warn))
    return line(("Nothing grows.", palette.text))


def _grows(row: MemoryRow) -> bool:
    least = max(BLOCKS_LEAST, BLOCKS_GROWTH * (row.blocks or 0))
    return row.blocks_slope is not None and row.blocks_slope >= least


def _sizes(row: MemoryRow, palette: Palette) -> Text:
    age = "" if row.full_age_s is None else f"both {duration(row.full_age_s)} ago"
    parts = [
        _size("RSS", bytes_(row.rss_bytes), _hourly(row.rss_slope), palette),
        _size("blocks", count(row.blocks), _blocks_hourly(row.blocks_slope), palette),
        _size("USS", bytes_(row.uss_bytes), _hourly(row.uss_slope), palette),
        _size("PSS", bytes_(row.pss_bytes), age, palette),
    ]
    return joined(parts, line("   "))


def _size(name: str, value: str, more: str, palette: Palette) -> Text:
    return line((f"{name} ", palette.dim), (value, palette.strong), (f" {more.strip()}" if more else "", palette.dim))


def _hourly(slope: float | None) -> str:
    return "" if slope is None else f"{signed_bytes(slope)}/h"


def _blocks_hourly(slope: float | None) -> str:
    return "" if slope is None else f"{'−' if slope < 0 else '+'}{count(abs(slope))}/h"


def _graph(row: MemoryRow, width: int, height: int, palette: Palette) -> list[Text]:
    """RSS over the window, its range said above."""
    values = row.rss_trend
    if not values or height < 2:
        return [line(("RSS: not measured yet", palette.dim))][: max(0, height)]
    low, high = min(values), max(values)
    floor = low - max(high - low, high * 0.05) * 0.25
    moved = f"  {bytes_(values[-1])}, {signed_bytes(values[-1] - values[0])} in the window"
    title = line(("RSS", palette.strong), (moved, palette.dim))
    return [title, *area(values, width, height - 1, palette.wait, faded(palette.wait, palette.faint), floor=floor)]


def gc_lines(generations: Sequence[GcGeneration], share: float | None, palette: Palette) -> list[Text]:
    """Collections by generation: how many, how long, what part of the time."""
    if not generations or share is None:
        return [line(("Garbage collections: not told by generation by this worker", palette.dim))]
    made = [
        line(
            ("Garbage collection", palette.strong),
            (f"  {percent(share)} % of the time", palette.threshold(share, *GC_SHARE)),
        ),
        line((f"{'generation':<12}{'count':>7}{'mean':>10}{'longest':>10}{'share':>8}", palette.dim)),
    ]
    names = {0: "0 young", len(generations) - 1: f"{len(generations) - 1} full"}
    made += [_generation(each, names.get(each.generation, str(each.generation)), palette) for each in generations]
    return made


def _generation(each: GcGeneration, name: str, palette: Palette) -> Text:
    return line(
        (left(name, 12), palette.text),
        (right(count(each.count, quiet=True), 7), palette.text),
        (right(ms_unit(each.mean_ms), 10), palette.text),
        (right(ms_unit(each.longest_ms) if each.longest_ms else "–", 10), palette.text),
        (right(f"{percent(each.share)} %", 8), palette.threshold(each.share, *GC_SHARE)),
    )


def growth_lines(growth: Sequence[EndpointGrowth], palette: Palette, room: int) -> list[Text]:
    """What a request of each endpoint leaves behind, or why that cannot be told."""
    if not growth:
        return [line(("A request leaves behind", palette.strong), ("  – no requests yet", palette.dim))]
    grows = [each for each in growth if each.blocks]
    still = [each for each in growth if each.blocks == 0]
    unknown = [each for each in growth if each.blocks is None]
    head = line(("A request leaves behind", palette.strong))
    if not grows and not still:
        head.append("  – cannot be told: memory has no owner", palette.dim)
    made = [head, *(_grown(each, palette) for each in grows)]
    if still:
        names = ", ".join(_name(each) for each in still)
        made.append(line(("    nothing  ", palette.good), (fit(names, 90), palette.text)))
    never = [each for each in unknown if not each.intervals]
    some = [each for each in unknown if each.intervals]
    made += [line(("          –  ", palette.dim), (_name(each), palette.text), _why(each, palette)) for each in some]
    if len(never) == 1:
        made.append(line(("          –  ", palette.dim), (_name(never[0]), palette.text), _why(never[0], palette)))
    elif never:
        words = f"{len(never)} endpoints: other work ran beside them each time"
        made.append(line(("          –  ", palette.dim), (words, palette.dim)))
    if len(made) > room:
        kept = max(1, room - 1)
        made = [*made[:kept], line((f"… {len(made) - kept} more", palette.dim))]
    return made[:room]


def _grown(each: EndpointGrowth, palette: Palette) -> Text:
    made = line((f"{count(each.blocks):>11}  ", palette.warn), (_name(each), palette.strong))
    size = "" if each.rss_bytes is None else f", {bytes_(each.rss_bytes)} of RSS"
    made.append(f"  blocks{size}", palette.warn)
    made.append(f"  {count(each.requests)} requests in {plural(each.intervals, 'interval')} alone", palette.dim)
    if each.why:
        made.append(f"; {each.why}", palette.dim)
    return made


def _why(each: EndpointGrowth, palette: Palette) -> Text:
    return line((f"  {safe(each.why)}", palette.dim))


def _name(each: EndpointGrowth) -> str:
    return safe(f"{each.key.method} {each.key.route}")
