"""What the Heap panel says of the selected worker's last take, or of the one under way."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from flasktop.stats.heaps import Take
from flasktop.stats.memory_views import MemoryRow
from flasktop.stats.views import WorkerRow
from flasktop.tui.detail.heap_head import hint_lines
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import fit, line, safe
from flasktop.tui.heaps import Trouble, Underway
from flasktop.tui.panels.memory_preview import memory_preview
from flasktop.units import bytes_, clock, ms_unit, whole


@dataclass(frozen=True, slots=True)
class WorkerHeap:
    """A worker, its last take, the one that is marked, and what is under way (at the moment ``now``) or went wrong."""

    worker: WorkerRow
    take: Take | None
    marked: Take | None
    underway: Underway | None
    trouble: Trouble | None
    now: float


def heap_preview(
    row: WorkerHeap, width: int, height: int, palette: Palette, *, memory: MemoryRow | None = None
) -> list[Text]:
    """The worker in a line, what its last take holds or why there is none; below its largest types, or before there is
    a take what its memory does."""
    lines = [line((f"worker {row.worker.worker.pid}", palette.strong), "   ", _sentence(row, palette))]
    if row.trouble is not None:
        lines += hint_lines(row.trouble, width, palette)
    if row.take is None and memory is not None:
        return [*lines, *memory_preview(memory, width, height - len(lines), palette)]
    if row.take is None or height < 4:
        return lines
    lines.append(line())
    for each in row.take.taken.by_type[: height - len(lines) - 1]:
        share = each.bytes / row.take.taken.bytes if row.take.taken.bytes else 0.0
        bar = "━" * max(1, round(share * 30))
        lines.append(
            line(
                (f"{bytes_(each.bytes):>9}", palette.text), (f"{whole(each.count):>12}  ", palette.dim),
                (f"{bar:<30}  ", palette.wait), (fit(safe(each.name), max(0, width - 55)), palette.text),
            )
        )  # fmt: skip
    return lines


def _sentence(row: WorkerHeap, palette: Palette) -> Text:
    if row.underway is not None:
        return line(
            (f"Taking its heap: {row.underway.words(row.now)}. The app goes on; ", palette.text),
            ("h", palette.accent), (" stops the take.", palette.text),
        )  # fmt: skip
    if row.trouble is not None:
        return line((safe(row.trouble.message), palette.warn))
    if row.take is None:
        return line(
            ("No heap taken yet. ", palette.text), ("h", palette.accent),
            (" takes one: the app stands still for a few milliseconds, measured and shown.", palette.text),
        )  # fmt: skip
    taken = row.take.taken
    return line(
        (f"{bytes_(taken.bytes)} in {whole(taken.objects)} objects", palette.text + Style(bold=True)),
        (f"   taken {clock(taken.taken_at)}, app paused {ms_unit(taken.pause_us / 1000)}; ", palette.dim),
        ("↵", palette.accent), (" shows it all", palette.dim),
    )  # fmt: skip
