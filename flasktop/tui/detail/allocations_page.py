"""Allocation sites as lines: the costs before, the growth after."""

from __future__ import annotations

from typing import Final, NamedTuple

from rich.style import Style
from rich.text import Text

from flasktop.protocol.commands.memory import MAX_TRACED_BLOCKS, AllocationSite, AllocationSites
from flasktop.tui.columns import Column
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.grid import column, grid
from flasktop.tui.detail.memory_asking import paragraph
from flasktop.tui.detail.page import BLANK, Line
from flasktop.tui.detail.words import flowed
from flasktop.tui.draw.code import coloured
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import NEWER, Source, place, read_source
from flasktop.tui.draw.text import cut, line
from flasktop.units import bytes_, clock, duration, ms_unit, plural, signed, signed_bytes, whole

COSTS: Final = (
    "While it goes on, every allocation of this worker is noted, and it gets slower: ordinary requests take 2 to 3 "
    "times as long, code that does nothing but allocate 4 to 8 times, a loop of arithmetic up to 17 times (measured by "
    "tests/benchmarks/bench_allocations.py on one machine). Other workers are not touched.",
    "Two snapshots stop the app: 0.2 to 0.5 ms for each 1,000 blocks that were allocated since it began and are still "
    "alive, several times that on a busy machine; ending it a tenth of that. It ends early when those blocks are about "
    "{blocks} (some {most} ms). Each takes some 60 bytes until it ends.",
    "It stops by itself, when this screen is left, and when the worker ends. It sees Python's allocations from now on, "
    "not what was there before: a heap (h) shows that.",
)
LEAST_BYTES: Final = 10_000
"""A line that grew by less than so many bytes does not stand out."""


class Site(NamedTuple):
    """A source line."""

    file: str
    line: int

    @staticmethod
    def head(site: AllocationSite, context: Context, source: Source) -> Text:
        """What a line did, above its code."""
        palette = context.palette
        made = line(
            (signed_bytes(site.bytes), palette.strong), (f" in {signed(site.blocks)} blocks", palette.text),
            (f"   {bytes_(site.live_bytes)} in {whole(site.live_blocks)} blocks alive since it began   ", palette.dim),
            (place(site.file, site.line, context.directory, max(20, context.width - 60)), palette.text),
        )  # fmt: skip
        if source.newer:
            made.append(f"  {NEWER}", palette.warn)
        return cut(made, context.width)


def cost_lines(pid: int, seconds: float, width: int, palette: Palette) -> list[Line]:
    """What tracing costs, and how it is begun."""
    values = {
        "blocks": whole(MAX_TRACED_BLOCKS),
        "most": f"{MAX_TRACED_BLOCKS / 1000 * 0.2:.0f} to {MAX_TRACED_BLOCKS / 1000 * 0.5:.0f}",
    }
    lines = [Line(line((f"Trace the allocations of worker {pid} for {seconds:.0f} s?", palette.strong))), BLANK]
    for words in COSTS:
        lines += [*paragraph(words.format(**values), min(width, 100), palette), BLANK]
    keys = line(
        ("↵", palette.accent), (" begins   ", palette.dim), ("← →", palette.accent),
        (" shorter, longer   ", palette.dim), ("esc", palette.accent), (" leaves it", palette.dim),
    )  # fmt: skip
    return [*lines, Line(keys)]


def head_lines(sites: AllocationSites, context: Context) -> list[Line]:
    """What grew in all, over how many requests, and what it cost."""
    palette = context.palette
    first = [
        line((signed_bytes(sites.bytes), palette.strong), (f" in {signed(sites.blocks)} blocks", palette.text)),
        line((f"in {duration(sites.seconds)}", palette.text)),
        line((plural(sites.requests, "request"), palette.text)),
    ]
    if sites.requests:
        each = sites.bytes / sites.requests * 1_000
        first.append(line((f"{signed_bytes(each)} per 1,000 requests", palette.warn if each > 0 else palette.text)))
    first.append(line((f"until {clock(sites.at)}", palette.dim)))
    stalls = ", ".join(ms_unit(stall / 1000) for stall in sites.stalls_us)
    second = [
        line((f"the app stood still for {stalls}", palette.dim)),
        line((f"{whole(sites.traced_blocks)} traced blocks", palette.dim)),
        line((f"flasktop's own {signed_bytes(sites.own_bytes)} left out", palette.dim)),
    ]
    if sites.in_flight and sites.in_flight[-1]:
        flying = plural(sites.in_flight[-1], "request")
        second.insert(0, line((f"{flying} in flight at the end: what they work with counts too", palette.warn)))
    if sites.early:
        second.insert(0, line(("ended early: so many blocks were alive", palette.warn)))
    made = [*flowed(first, context.width, palette), *flowed(second, context.width, palette)]
    return [*(Line(each) for each in made), BLANK]


def site_lines(sites: AllocationSites, context: Context) -> list[Line]:
    """The lines that grew, most first, with their source text."""
    palette = context.palette
    if not sites.sites:
        return [Line(line(("No source line's allocations grew.", palette.good)))]
    columns = _columns(sites.requests, context)
    rows = grid(
        sites.sites, columns, context.width, palette, title="", note="", roomy=False, section="sites",
        key=lambda site: Site(site.file, site.line),
    )  # fmt: skip
    rest = sites.total_sites - len(sites.sites)
    return [*rows, *([Line(line((f"… {plural(rest, 'more line')}", palette.dim)))] if rest > 0 else [])]


def _columns(requests: int, context: Context) -> list[Column[AllocationSite]]:
    def where(site: AllocationSite, width: int, palette: Palette) -> Text:
        return line((place(site.file, site.line, context.directory, width), palette.text))

    def text(site: AllocationSite, width: int, palette: Palette) -> Text:
        return source_text(site, context, palette)

    def per_1000(site: AllocationSite, width: int, palette: Palette) -> Text:
        return line((signed_bytes(site.bytes / requests * 1_000), _style(site, palette)))

    made: list[Column[AllocationSite]] = [
        column("grown by", 10, 0, lambda site, w, p: line((signed_bytes(site.bytes), _style(site, p)))),
        column("blocks", 8, 1, lambda site, w, p: line((signed(site.blocks), p.text))),
    ]
    if requests:
        made.append(column("/1,000 req", 10, 2, per_1000))
    made.append(column("source line", 18, 0, where, right=False, grow=1, widest=56))
    made.append(column("", 20, 3, text, right=False, grow=2, widest=120))
    return made


def source_text(site: AllocationSite, context: Context, palette: Palette) -> Text:
    """The text of a source line, empty where the file is not here."""
    if site.file.startswith("<"):
        return line(("made at run time, such as a dataclass's __init__", palette.dim))
    source = read_source(site.file, site.line, context.started_at, around=0)
    if not source.lines:
        return line(("–", palette.dim))
    made = coloured(source.lines[0].strip(), source.language, palette)
    made.no_wrap = True
    return made


def _style(site: AllocationSite, palette: Palette) -> Style:
    return palette.warn if site.bytes >= LEAST_BYTES else palette.text
