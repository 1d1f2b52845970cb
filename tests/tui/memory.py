"""An invented worker's live tier: samples of memory that grows, counts by type, allocation sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from flasktop.protocol.commands import Command
from flasktop.protocol.commands.memory import (
    AllocationSite,
    AllocationSites,
    CountTypes,
    TraceAllocations,
    TypeCount,
    TypeCounts,
)
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import Sample
from tests.stats.builders import AT

TYPES: tuple[tuple[str, int, int], ...] = (
    ("dict", 21_402, 3),
    ("tuple", 14_377, 0),
    ("function", 12_908, 0),
    ("shop.views.quotes.QuoteLine", 8_000, 80),
    ("list", 4_120, 1),
    ("sqlalchemy.sql.elements.BindParameter", 2_400, 0),
    ("shop.views.quotes.Quote", 100, 1),
    ("weakref.ReferenceType", 9_211, -1),
)
"""Name, objects at the start, and how many more each request leaves."""


def remembering(sample: Sample, second: int, index: int) -> Sample:
    """``sample`` with what a worker says of its memory in the second ``second``."""
    at = second + 600
    return msgspec.structs.replace(
        sample,
        uss_bytes=sample.rss_bytes - 22_000_000,
        pss_bytes=sample.rss_bytes - 14_000_000,
        full_age_s=float(at % 30),
        allocated_blocks=1_204_000 + index * 40_000 + at * 160,
        gc_counts=(at * 9, at, at // 12),
        gc_pauses_us=(at * 9 * 110, at * 620, at // 12 * 41_300),
        gc_longest_us=(940, 3_100, 58_200),
    )


@dataclass
class Live:
    """Answers what a worker would. ``directory`` is where its code lies."""

    directory: str = "/srv/shop"
    counted: int = 0

    def answers(self) -> dict[type, Any]:
        """What ``Feeding.answers`` needs."""
        return {CountTypes: self.count, TraceAllocations: self.trace}

    def count(self, worker: WorkerId, command: Command) -> TypeCounts:
        requests = 160 * self.counted
        rows = [TypeCount(name, count + each * requests) for name, count, each in TYPES]
        rows.sort(key=lambda row: -row.count)
        self.counted += 1
        return TypeCounts(
            at=AT + 10.0 * self.counted, objects=sum(row.count for row in rows), types=1_812, rows=tuple(rows),
            stall_us=4_380, seconds=0.061, requests=80_000 + requests, blocks=1_204_000,
        )  # fmt: skip

    def trace(self, worker: WorkerId, command: Command) -> AllocationSites:
        quotes = f"{self.directory}/views/quotes.py"
        sites = (
            AllocationSite(quotes, 66, 16_080, 1_829_120, 21_440, 2_432_160),
            AllocationSite(quotes, 65, 16_000, 1_020_800, 21_300, 1_364_000),
            AllocationSite(quotes, 47, 402, 61_104, 540, 81_020),
            AllocationSite("/venv/lib/python3.11/site-packages/sqlalchemy/orm/identity.py", 151, 12, 3_104, 40, 9_102),
            AllocationSite("<string>", 3, 8, 1_040, 8, 1_040),
        )
        return AllocationSites(
            at=AT + 30, seconds=7.5, requests=201, sites=sites, total_sites=41,
            blocks=sum(site.blocks for site in sites), bytes=sum(site.bytes for site in sites), own_blocks=91,
            own_bytes=14_200, stalls_us=(4_020, 17_800, 2_100), traced_blocks=44_180, early=False, in_flight=(0, 2),
        )  # fmt: skip
