"""What Processes says of the selected worker: what it is, its pools, and CPU and memory over the window."""

from __future__ import annotations

from rich.text import Text

from flasktop.protocol.records import UNKNOWN, Pool
from flasktop.stats.views import WorkerRow
from flasktop.tui.draw.area import area, faded
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import fit, line
from flasktop.tui.thresholds import RSS_GROWTH
from flasktop.tui.widgets.preview import beside
from flasktop.units import bytes_


def pool_text(pool: Pool) -> str:
    """``3/5 +1``: connections checked out, the pool's size, and those beyond it."""
    if pool.checked_out == UNKNOWN:
        return "–"
    size = "" if pool.size == UNKNOWN else f"/{pool.size}"
    over = f" +{pool.overflow}" if pool.overflow > 0 else ""
    return f"{pool.checked_out}{size}{over}"


def is_full(pool: Pool) -> bool:
    """Whether every connection of a pool that counts is out."""
    return pool.size > 0 and pool.checked_out >= pool.size


def is_growing(row: WorkerRow) -> bool:
    """Whether the worker's memory grows so that it is worth a word."""
    return row.rss_slope is not None and row.rss_slope >= RSS_GROWTH


def worker_preview(row: WorkerRow, width: int, height: int, palette: Palette) -> list[Text]:
    """CPU and RSS over the window side by side, above them what the worker is."""
    half = min(90, (width - 4) // 2)
    rows = max(1, min(8, height - 4))
    low = min(row.rss_trend, default=0.0)
    high = max(row.rss_trend, default=0.0)
    floor = low - max(high - low, high * 0.05) * 0.25
    most = line(
        (f"{max(row.cpu_trend, default=0):.0f} % at most" if row.cpu_trend else "not measured yet", palette.dim)
    )
    cpu_area = area(row.cpu_trend, half, rows, palette.cpu, faded(palette.cpu, palette.faint))
    rss_area = area(row.rss_trend, half, rows, palette.wait, faded(palette.wait, palette.faint), floor=floor)
    cpu = _graph("CPU", most, cpu_area, palette)
    told = line((f"{bytes_(low)} to {bytes_(high)}" if row.rss_trend else "not measured yet", palette.dim))
    if is_growing(row):
        told.append(f"  grows {bytes_(row.rss_slope)}/h: ", palette.warn)
        told.append("h", palette.accent)
        told.append(" takes its heap", palette.warn)
    rss = _graph("RSS", told, rss_area, palette)
    return [_who(row, palette), _pool_line(row, width, palette), *beside(cpu, rss, half + 4)]


def _graph(title: str, told: Text, drawn: list[Text], palette: Palette) -> list[Text]:
    return [line((title, palette.strong), "  ", told), *drawn]


def _who(row: WorkerRow, palette: Palette) -> Text:
    made = line((f"worker {row.worker.pid}", palette.strong))
    if row.hello is not None:
        hello = row.hello
        versions = [
            ("Python", hello.python),
            ("Flask", hello.flask),
            ("SQLAlchemy", hello.sqlalchemy),
            ("flasktop", hello.flasktop),
        ]
        facts = [hello.server, *(f"{name} {version}" for name, version in versions if version), hello.directory]
        made.append("   " + " · ".join(fact for fact in facts if fact), palette.dim)
    return made


def _pool_line(row: WorkerRow, width: int, palette: Palette) -> Text:
    made = line(("pools  ", palette.dim))
    if not row.pools:
        return line(("no connection pool", palette.dim))
    for pool in row.pools:
        made.append(fit(pool.engine, 40), palette.text)
        made.append(f" {pool_text(pool)} out   ", palette.warn if is_full(pool) else palette.dim)
    return made
