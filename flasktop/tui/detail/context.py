"""What a screen draws with: its size, its colours, and where the app's code lies."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from flasktop.protocol.events import WorkerId
from flasktop.stats.views import WorkerRow
from flasktop.tui.draw.palette import Palette


@dataclass(frozen=True, slots=True)
class Context:
    """``width`` and ``height`` are the cells for lines; ``directory`` the app's own, for short paths; ``opened`` the
    keys of what the person unfolded; ``selected`` is the key under the cursor, which is shown wherever it is."""

    width: int
    height: int
    palette: Palette
    directory: str = ""
    started_at: float | None = None
    opened: frozenset[Hashable] = field(default_factory=frozenset)
    selected: Hashable | None = None


def directory_of(workers: Sequence[WorkerRow], worker: WorkerId | None = None) -> str:
    """Where the app of these workers (or of one) runs; empty where not known."""
    known = [row.hello.directory for row in workers if row.hello and worker in (None, row.worker)]
    return known[0] if known else ""


def started_of(workers: Sequence[WorkerRow], worker: WorkerId | None = None) -> float | None:
    """When the oldest of the workers (or one) started: code that is newer may not be what they run."""
    known = [row.started_at for row in workers if row.started_at is not None and worker in (None, row.worker)]
    return min(known, default=None)
