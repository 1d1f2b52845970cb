"""The memory of one worker over time: from its samples to its row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from flasktop.protocol.records import UNKNOWN, Sample
from flasktop.stats.memory_views import EndpointGrowth, GcGeneration, MemoryRow, Moment
from flasktop.stats.resting import evened
from flasktop.stats.views import Window

if TYPE_CHECKING:
    from flasktop.stats.workers import Worker

STEPS: Final = {
    Window.TEN_SECONDS: (30, 1),
    Window.MINUTE: (30, 2),
    Window.FIVE_MINUTES: (30, 10),
    Window.ALL: (60, 60),
}
"""Points and seconds a point of the trends; ALL shows up to an hour."""

SLOPE_AFTER: Final = 30.0
"""Seconds of samples before a slope is told."""

_SLOPE_POINTS: Final = 30
_FINE_SECONDS: Final = 300
_COARSE_STEP: Final = 10
_COARSE_SECONDS: Final = 3_600
_FULL_KEPT: Final = 240


class Full(NamedTuple):
    """One measurement of USS and PSS."""

    at: float
    uss: int
    pss: int


class MemoryHistory:
    """A worker's memory: one moment a second for five minutes, one every ten seconds for an hour, and the last
    measurements of USS and PSS. Samples may come in any order."""

    __slots__ = ("_coarse", "_fine", "_full", "newest")

    def __init__(self) -> None:
        self._fine: dict[int, Moment] = {}
        self._coarse: dict[int, Moment] = {}
        self._full: dict[int, Full] = {}
        self.newest: tuple[float, Sample] | None = None

    def add(self, at: float, sample: Sample) -> None:
        """Take a sample of the moment ``at`` (reader's clock)."""
        moment = _moment(at, sample)
        for moments, step, size in ((self._fine, 1, _FINE_SECONDS), (self._coarse, _COARSE_STEP, _COARSE_SECONDS)):
            slot = int(at // step)
            moments[slot] = max(moments.get(slot, moment), moment, key=_worth)
            if len(moments) > size // step:
                del moments[min(moments)]
        if sample.full_age_s != UNKNOWN and sample.uss_bytes != UNKNOWN:
            measured = at - sample.full_age_s
            self._full.setdefault(round(measured), Full(measured, sample.uss_bytes, sample.pss_bytes))
            if len(self._full) > _FULL_KEPT:
                del self._full[min(self._full)]
        if self.newest is None or at >= self.newest[0]:
            self.newest = (at, sample)

    def moments(self, now: float, window: Window) -> list[Moment]:
        """Return one moment of each step of a window, oldest first, where there is one."""
        points, step = STEPS[window]
        kept = self._fine if step * points <= _FINE_SECONDS else self._coarse
        first = int(now // step) - points + 1
        last_of: dict[int, Moment] = {}
        for moment in kept.values():
            slot = int(moment.at // step)
            if slot >= first:
                last_of[slot] = max(last_of.get(slot, moment), moment, key=_worth)
        return [last_of[slot] for slot in sorted(last_of)]

    def full(self) -> list[Full]:
        """Return the measurements of USS and PSS, oldest first."""
        return [self._full[at] for at in sorted(self._full)]

    def everything(self) -> list[Moment]:
        """Return all moments, oldest first."""
        by_time = {moment.at: moment for moments in (self._coarse, self._fine) for moment in moments.values()}
        return [by_time[at] for at in sorted(by_time)]


def _moment(at: float, sample: Sample) -> Moment:
    counts, pauses = sample.gc_counts, sample.gc_pauses_us
    blocks, agent = sample.allocated_blocks, sample.agent_bytes
    return Moment(at, sample.rss_bytes, blocks, counts, pauses, sample.requests, agent, sample.gc_cpu_us)


def _worth(moment: Moment) -> tuple[bool, float]:
    """The newest moment of a step stands for it, before it those with blocks, which are not counted each time."""
    return moment.blocks != UNKNOWN, moment.at


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """How values at times (oldest first, seconds) grow per hour; None before ``SLOPE_AFTER`` seconds of them.

    The median of the slopes between all pairs, which a few jumps do not move.

    Source: P. K. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", JASA 63, 1968.
    """
    if len(points) < 2 or points[-1][0] - points[0][0] < SLOPE_AFTER:
        return None
    chosen = points[:: -max(1, len(points) // _SLOPE_POINTS)]
    slopes = [(a[1] - b[1]) / (a[0] - b[0]) for a, b in combinations(chosen, 2) if a[0] != b[0]]
    return median(slopes) * 3_600 if slopes else None


def memory_row(worker: Worker, now: float, window: Window, growth: Iterable[EndpointGrowth]) -> MemoryRow:
    """Return what is known of a worker's memory."""
    history = worker.memory
    moments, everything, full = history.moments(now, window), history.everything(), history.full()
    sample, (_, step) = history.newest[1] if history.newest else None, STEPS[window]
    gc = _generations(history, worker, now, window)
    with_pss = [each for each in full if each.pss != UNKNOWN]
    blocks = [(moment.at, float(moment.blocks)) for moment in everything if moment.blocks != UNKNOWN]
    return MemoryRow(
        worker=worker.identity,
        state=worker.state,
        rss_bytes=None if sample is None else sample.rss_bytes,
        uss_bytes=_known(sample.uss_bytes if sample else None),
        pss_bytes=_known(sample.pss_bytes if sample else None),
        full_age_s=max(now - full[-1].at, 0.0) if full else None,
        blocks=int(blocks[-1][1]) if blocks else None,
        rss_trend=tuple(evened([(moment.at, float(moment.rss)) for moment in moments], step)),
        uss_trend=tuple(float(each.uss) for each in full),
        pss_trend=tuple(float(each.pss) for each in with_pss),
        blocks_trend=tuple(evened([(each.at, float(each.blocks)) for each in moments if each.blocks != UNKNOWN], step)),
        gc_share_trend=tuple(evened(_shares(moments), step)),
        rss_slope=slope([(moment.at, float(moment.rss)) for moment in everything]),
        uss_slope=slope([(each.at, float(each.uss)) for each in full]),
        pss_slope=slope([(each.at, float(each.pss)) for each in with_pss]),
        blocks_slope=slope(blocks),
        gc=gc,
        gc_share=sum(each.share for each in gc) if gc else None,
        growth=tuple(growth),
        moments=tuple(everything),
    )


def _generations(history: MemoryHistory, worker: Worker, now: float, window: Window) -> tuple[GcGeneration, ...]:
    """The collections in the window: what is counted now without what had been counted when it began."""
    if history.newest is None or not history.newest[1].gc_counts:
        return ()
    at, sample = history.newest
    began, counted = (worker.started or at), (0,) * len(sample.gc_counts)
    pauses = counted
    if window is not Window.ALL:
        known = [moment for moment in history.everything() if moment.gc_counts]
        earlier = [moment for moment in known if moment.at <= now - (window.value or 0)]
        then = earlier[-1] if earlier else known[0]
        began, counted, pauses = then.at, then.gc_counts, then.gc_pauses_us
    seconds = max(at - began, 1.0)
    return tuple(
        GcGeneration(
            generation=generation,
            count=count - counted[generation],
            mean_ms=(pause - pauses[generation]) / 1_000 / (count - counted[generation])
            if count > counted[generation]
            else None,
            longest_ms=sample.gc_longest_us[generation] / 1_000,
            share=(pause - pauses[generation]) / 1e6 / seconds,
        )
        for generation, (count, pause) in enumerate(zip(sample.gc_counts, sample.gc_pauses_us, strict=True))
    )


def _shares(moments: Sequence[Moment]) -> list[tuple[float, float]]:
    """When, and which share of the time since the moment before went into collecting garbage."""
    known = [moment for moment in moments if moment.gc_pauses_us]
    return [
        (b.at, (sum(b.gc_pauses_us) - sum(a.gc_pauses_us)) / 1e6 / max(b.at - a.at, 1e-6)) for a, b in pairwise(known)
    ]


def _known(value: int | None) -> int | None:
    return None if value == UNKNOWN else value
