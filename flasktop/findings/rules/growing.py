"""Workers whose memory grows with the requests that they answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from flasktop.findings.chance import Interval, trend_of
from flasktop.findings.evidence import Need
from flasktop.findings.facts import Facts
from flasktop.findings.model import Finding, Fix, Rule, Severity, Threshold
from flasktop.findings.words import endpoint_name
from flasktop.protocol.records import UNKNOWN
from flasktop.stats.heaps import HeapLine, compare, requests_between
from flasktop.stats.memory_views import EndpointGrowth, MemoryRow
from flasktop.units import bytes_, duration, signed_bytes, whole

NAME: Final = "memory-growth"

SECONDS: Final = Threshold(f"{NAME}.seconds", 30, "Seconds of samples after the warm-up before anything is said")
WARM_UP: Final = Threshold(f"{NAME}.warm-up", 20, "Seconds after a worker's first sample that are passed over")
BLOCKS: Final = Threshold(f"{NAME}.blocks", 12, "Blocks of memory that a request leaves behind, on average")
BYTES: Final = Threshold(f"{NAME}.bytes", 20_000_000, "Bytes an hour below which growth is no trouble")

REQUESTS: Final = 100
"""Requests that must have finished in the time looked at."""

PARTS: Final = 12
"""The time is cut into so many parts, of each the lowest moment counts: garbage that waits for its collection and
requests that run at the moment of a sample lie on top of what stays."""

GOES_ON: Final = 0.5
"""In the last third it must grow at least so much as in the one before: what fills up, flattens."""

FALLS: Final = 0.5
"""What falls back by so great a part of what it had gained is a cache that is emptied, or garbage."""

CERTAIN_S: Final = 300.0
"""Before so long a cache that fills looks the same, and RSS still moves with the first large answers."""

BLOCK_BYTES: Final = 100
"""About so many bytes a block of Python's allocator has, which gives out 16 to 512."""


class Point(NamedTuple):
    """A value at a moment (seconds), after so many requests."""

    at: float
    requests: int
    value: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How one worker grows. ``blocks`` are those a request leaves; ``each`` the bytes (None: by RSS alone; ``rough``:
    reckoned from blocks); ``seconds`` and ``requests`` are what it was told from."""

    row: MemoryRow
    blocks: Interval | None
    each: float
    rough: bool
    seconds: float
    requests: int

    @property
    def per_hour(self) -> float:
        """Bytes an hour at the present pace of requests."""
        return self.each * self.requests / self.seconds * 3_600

    @property
    def certain(self) -> bool:
        return self.seconds >= CERTAIN_S


def check(facts: Facts) -> Iterator[Finding | Need]:
    """All growing workers in one finding: they run the same code."""
    rows = facts.memory()
    grown = [growth for row in rows if (growth := growth_of(row, facts)) is not None]
    if grown:
        yield _finding(grown, len(rows), facts)


def growth_of(row: MemoryRow, facts: Facts) -> Growth | None:
    """How a worker grows with its requests; None where it does not, or where that cannot be told yet."""
    if not row.moments:
        return None
    warm = row.moments[0].at + facts.limit(WARM_UP)
    moments = [moment for moment in row.moments if moment.at >= warm]
    if len(moments) < PARTS or moments[-1].at - moments[0].at < facts.limit(SECONDS):
        return None
    seconds, requests = moments[-1].at - moments[0].at, moments[-1].requests - moments[0].requests
    if requests < REQUESTS:
        return None
    blocks = rise_of([Point(m.at, m.requests, m.blocks) for m in moments if m.blocks != UNKNOWN])
    rss = rise_of([Point(m.at, m.requests, m.rss - m.agent) for m in moments]) if seconds >= CERTAIN_S else None
    if blocks is not None and blocks.middle >= facts.limit(BLOCKS):
        each = rss.middle if rss is not None else blocks.middle * BLOCK_BYTES
        growth = Growth(row, blocks, each, rss is None, seconds, requests)
    elif rss is not None:
        growth = Growth(row, None, rss.middle, False, seconds, requests)
    else:
        return None
    return growth if growth.rough or growth.per_hour >= facts.limit(BYTES) else None


def rise_of(points: list[Point]) -> Interval | None:
    """How surely and by how much values rise a request, and go on to; None where they do not."""
    low = lowest(points) if points else []
    trend = trend_of(low)
    if trend is None or trend.low <= 0:
        return None
    values = [value for _, value in low]
    gained = values[-1] - values[0]
    top, fell = values[0], 0.0
    for value in values:
        top = max(top, value)
        fell = max(fell, top - value)
    third = len(low) // 3
    first, middle, last = (sorted(values[i : i + third])[third // 2] for i in (0, third, 2 * third))
    if fell > FALLS * gained or last - middle < GOES_ON * (middle - first):
        return None
    return trend


def lowest(points: list[Point]) -> list[tuple[float, float]]:
    """Requests and value of the lowest point of each of ``PARTS`` equal stretches of time, where it has any."""
    begun, step = points[0].at, (points[-1].at - points[0].at) / PARTS
    low: dict[int, Point] = {}
    for point in points:
        part = min(int((point.at - begun) / step), PARTS - 1) if step else 0
        if part not in low or point.value < low[part].value:
            low[part] = point
    return [(point.requests, point.value) for _, point in sorted(low.items())]


def _finding(grown: list[Growth], workers: int, facts: Facts) -> Finding:
    worst = max(grown, key=lambda growth: growth.per_hour)
    certain = any(growth.certain for growth in grown)
    owners = _owners(grown)
    who = f"{len(grown)} of {workers} workers" if workers > 1 else "The worker"
    verb = "grow" if workers > 1 and len(grown) > 1 else "grows"
    where = f", since {endpoint_name(owners[0].key)} leaves memory behind" if owners else ""
    title = (
        f"{who} {verb if certain else 'probably ' + verb} with the requests{where}: "
        f"{_about(worst)}{bytes_(worst.each * 1_000)} per 1,000"
    )
    types = [said for growth in grown for said in _types(growth, facts)]
    return Finding(
        rule=NAME,
        severity=_severity(worst, certain),
        subject=facts.app or "memory",
        title=title,
        evidence=(*(_words(growth) for growth in grown), *_owned(owners), *types, *_doubt(worst)),
        fix=_fix(bool(types)),
        endpoint=owners[0].key if owners else None,
        saves_bytes=sum(growth.per_hour for growth in grown),
        concerns=(*(growth.row.worker for growth in grown), *(owner.key for owner in owners)),
    )


def _about(growth: Growth) -> str:
    return "roughly " if growth.rough else "about "


def _severity(worst: Growth, certain: bool) -> Severity:
    """A day to double leaves time to restart at night; an hour does not. What may be a cache yet is only noticed."""
    hours = (worst.row.rss_bytes or 0) / max(worst.per_hour, 1.0)
    if not certain:
        return Severity.NOTICE
    return Severity.CRITICAL if hours <= 1 else Severity.WARNING


def _words(growth: Growth) -> str:
    """What one worker does, with its numbers."""
    told = f"Process {growth.row.worker.pid}: over {duration(growth.seconds)} and {growth.requests:,} requests "
    if growth.blocks is not None:
        low, middle, high = growth.blocks
        told += f"{middle:.0f} blocks of memory stayed a request ({low:.0f} to {high:.0f} with 99 % confidence), "
    about = _about(growth)
    told += f"{about}{bytes_(growth.each * 1_000)} per 1,000 requests and {bytes_(growth.per_hour)} an hour"
    rss = growth.row.rss_bytes
    if rss:
        told += f"; at this pace its {bytes_(rss)} double in {duration(rss / growth.per_hour * 3_600)}"
    return f"{told}."


def _owners(grown: list[Growth]) -> list[EndpointGrowth]:
    """The endpoints that were seen, alone, to leave blocks behind; the one that leaves most first."""
    told: dict[object, EndpointGrowth] = {}
    for growth in grown:
        for each in growth.row.growth:
            if each.blocks and each.blocks >= 1 and not each.why:
                told.setdefault(each.key, each)
    return sorted(told.values(), key=lambda each: -(each.blocks or 0.0))[:3]


def _owned(owners: list[EndpointGrowth]) -> Iterator[str]:
    for each in owners:
        intervals = f"in {each.intervals} intervals in which it ran alone"
        yield f"{endpoint_name(each.key)} leaves {each.blocks:.0f} blocks a request, {intervals}."


def _types(growth: Growth, facts: Facts) -> Iterator[str]:
    """What grew between the last heap of a worker and the one it is compared with."""
    worker = growth.row.worker
    newest = facts.heaps.newest(worker) if facts.heaps is not None else None
    before = facts.heaps.before(worker, newest) if facts.heaps is not None and newest is not None else None
    if newest is None or before is None:
        return
    lines = [line for line in compare(before, newest, "type") if line.grown is not None and line.grown.bytes > 0]
    lines.sort(key=_grown_bytes, reverse=True)
    if lines:
        named = ", ".join(f"{line.name} {signed_bytes(_grown_bytes(line))}" for line in lines[:3])
        between = whole(requests_between(before, newest))
        yield f"Between two heaps of process {worker.pid}, {between} requests apart, grew most: {named}."


def _grown_bytes(line: HeapLine) -> int:
    return line.grown.bytes if line.grown is not None else 0


def _doubt(worst: Growth) -> Iterator[str]:
    if worst.rough:
        yield (
            f"Bytes are reckoned from blocks, at {BLOCK_BYTES} each: in the first {duration(CERTAIN_S)} RSS moves with "
            "other things, too. A cache that fills looks the same for as long as it fills."
        )


def _fix(known: bool) -> Fix:
    end = "Bound what holds them, or keep it outside the process."
    if known:
        return Fix(f"The heap says who holds the type that grew: open it and follow “held by”. {end}")
    return Fix(
        "Find what grows: in the Processes panel press h on the worker, wait for some hundred requests and press h "
        f"again; the second heap shows what grew and who holds it. {end}"
    )


RULE: Final = Rule(
    NAME,
    check,
    looks_for="A worker that keeps memory of every request that it answers.",
    wrong_when=(
        "Where a cache fills for long: it looks like a leak until it is full, which is why the first five minutes are "
        "told as probable only. Silent on purpose: the first seconds of a worker (imports, first visits), growth that "
        "flattens or falls back, growth without requests, fewer than 12 blocks a request, and flasktop's own journal. "
        "Large objects and native memory are seen by RSS alone, after five minutes."
    ),
    thresholds=(SECONDS, WARM_UP, BLOCKS, BYTES),
)
