"""What the store knows of one worker: its state, definitions, samples, and which frames and traces have come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flasktop.protocol.events import WorkerId, WorkerState
from flasktop.protocol.messages import Definitions, Frame, Hello
from flasktop.protocol.records import Sample
from flasktop.stats.growth import Growth
from flasktop.stats.in_flight import Running
from flasktop.stats.memory import MemoryHistory, slope
from flasktop.stats.resting import evened
from flasktop.stats.rows import Ids, Rows
from flasktop.stats.saturation import Saturation
from flasktop.stats.totals import WorkerTotals

MAX_GAPS: Final = 512
"""So many separate stretches of frame numbers are told apart; beyond, the oldest gap counts as received."""

_FINE_SECONDS: Final = 300
_COARSE_STEP: Final = 10
_COARSE_SECONDS: Final = 3_600


class Received:
    """Which frames of a worker were applied, as stretches of their gapless numbers."""

    __slots__ = ("_stretches",)

    def __init__(self) -> None:
        self._stretches: list[list[int]] = []

    def add(self, seq: int) -> bool:
        """Note a frame; return False where it was noted before."""
        stretches = self._stretches
        position = len(stretches)
        while position and stretches[position - 1][0] > seq:
            position -= 1
        if position and seq <= stretches[position - 1][1]:
            return False
        after = position < len(stretches) and stretches[position][0] == seq + 1
        if position and stretches[position - 1][1] == seq - 1:
            stretches[position - 1][1] = stretches[position][1] if after else seq
            if after:
                del stretches[position]
        elif after:
            stretches[position][0] = seq
        else:
            stretches.insert(position, [seq, seq])
            if len(stretches) > MAX_GAPS:
                stretches[0][1] = stretches.pop(1)[1]
        return True


class Losses:
    """Traces finished since the reader began and not received.

    Counted from what is known to have finished (the highest number any frame names) and what came of it, so that it
    is right in whatever order frames come. Traces from before the reader began are nobody's loss.
    """

    __slots__ = ("_begin", "_end", "_received")

    def __init__(self) -> None:
        self._begin: int | None = None
        self._end = 0
        self._received = 0

    def begin(self, number: int) -> None:
        """Note that the reader has a right to traces from ``number`` on; only the first time sets where it began."""
        if self._begin is None:
            self._begin = number
            self._received = 0
        self._end = max(self._end, number)

    def restart(self) -> None:
        """Count from here on."""
        if self._begin is not None:
            self._begin = self._end
            self._received = 0

    def frame(self, frame: Frame) -> None:
        """Take a frame's account of what finished."""
        begin = self._begin
        if begin is None:
            return
        self._end = max(self._end, frame.first_number + frame.finished)
        if frame.first_number >= begin:
            self._received += len(frame.traces)
        else:
            self._received += sum(1 for trace in frame.traces if trace.number >= begin)

    @property
    def lost(self) -> int:
        """How many were lost."""
        return 0 if self._begin is None else max(self._end - self._begin - self._received, 0)


class History:
    """A worker's samples over time: one a second for five minutes, one every ten seconds for an hour."""

    __slots__ = ("_coarse", "_fine", "_slope")

    def __init__(self) -> None:
        self._slope: tuple[float | None] | None = None
        self._fine: dict[int, tuple[float, int, float]] = {}
        self._coarse: dict[int, tuple[float, int, float]] = {}

    def add(self, at: float, sample: Sample) -> None:
        """Take a sample of the moment ``at`` (reader's clock); a first one, which knows no CPU yet, is left out."""
        if sample.cpu_percent is None:
            return
        self._slope = None
        entry = (at, sample.rss_bytes, sample.cpu_percent)
        for samples, step, size in ((self._fine, 1, _FINE_SECONDS), (self._coarse, _COARSE_STEP, _COARSE_SECONDS)):
            slot = int(at // step)
            if slot not in samples or samples[slot] < entry:
                samples[slot] = entry
            if len(samples) > size // step:
                del samples[min(samples)]

    def trends(self, now: float, points: int, step: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return RSS and CPU per ``step`` seconds over the last ``points`` steps, oldest first, where known."""
        samples = self._fine if step * points <= _FINE_SECONDS else self._coarse
        first = int(now // step) - points + 1
        last_of: dict[int, tuple[float, int, float]] = {}
        for entry in samples.values():
            slot = int(entry[0] // step)
            if slot >= first and (slot not in last_of or last_of[slot] < entry):
                last_of[slot] = entry
        ordered = evened([(last_of[slot][0], last_of[slot]) for slot in sorted(last_of)], step)
        return tuple(float(entry[1]) for entry in ordered), tuple(entry[2] for entry in ordered)

    def slope(self) -> float | None:
        """Return how RSS grows in bytes an hour, None before half a minute of samples."""
        if self._slope is None:
            by_time = {**self._by_time(self._coarse), **self._by_time(self._fine)}
            self._slope = (slope([(at, float(rss)) for at, rss in sorted(by_time.items())]),)
        return self._slope[0]

    @staticmethod
    def _by_time(samples: dict[int, tuple[float, int, float]]) -> dict[float, int]:
        return {at: rss for at, rss, _ in samples.values()}


class Worker:
    """One worker. ``number`` is its number in the store; times are the reader's monotonic seconds.

    ``routes`` and ``statements`` map local ids to rows. ``seen`` is the last sign of life.
    """

    def __init__(self, number: int, identity: WorkerId, rows: Rows) -> None:
        self._rows = rows
        self.number = number
        self.identity = identity
        self.state: WorkerState = "connecting"
        self.state_at = 0.0
        self.state_mono: float | None = None
        self.hello: Hello | None = None
        self.offset = 0.0
        self.started: float | None = None
        self.seen: float | None = None
        self.routes = Ids(self._other_endpoint)
        self.statements = Ids(rows.other_statement)
        self.totals = WorkerTotals(self)
        self.received = Received()
        self.losses = Losses()
        self.running = Running()
        self.history = History()
        self.memory = MemoryHistory()
        self.growth = Growth()
        self.saturation = Saturation()
        self.history_from: float | None = None
        self.sample: Sample | None = None
        self._sample_at = float("-inf")
        self.base_due = False

    def defined(self, definitions: Definitions) -> None:
        """Take what the worker's ids stand for."""
        rows, routes, statements = self._rows, definitions.routes, definitions.statements
        self.routes.define([route.id for route in routes], [rows.endpoint(route) for route in routes])
        self.statements.define([each.id for each in statements], [rows.statement(each) for each in statements])

    def endpoint_row(self, route: int) -> int:
        """Return the row of a local route id (never defined: the row of other routes)."""
        return self.routes[route]

    def statement_row(self, statement: int) -> int:
        """Return the row of a local statement id (never defined: the row of other statements)."""
        return self.statements[statement]

    def _other_endpoint(self) -> int:
        apps = self.hello.apps if self.hello is not None else ()
        return self._rows.other_endpoint(apps[0] if apps else "")

    @property
    def alive(self) -> bool:
        """Whether the process is there, as far as is known (silent ones are)."""
        return self.state not in ("gone", "died")

    def joined(self, hello: Hello, offset: float) -> None:
        """Take a worker's greeting."""
        self.hello = hello
        self.offset = offset
        self.started = hello.mono + offset - max(hello.at - hello.agent_started_at, 0.0)
        self.saw(hello.mono + offset)
        if self.state == "connecting":
            self.state, self.state_at, self.state_mono = "live", hello.at, None

    def wall(self, at: float) -> float | None:
        """Return the wall clock at a moment of the reader's clock, None before the worker said anything."""
        hello = self.hello
        return None if hello is None else hello.at + at - hello.mono - self.offset

    def saw(self, at: float) -> None:
        """Note a sign of life."""
        if self.seen is None or at > self.seen:
            self.seen = at

    def frame(self, at: float, frame: Frame) -> None:
        """Take what a frame of the moment ``at`` says of the worker itself."""
        self.saw(at)
        self.losses.frame(frame)
        self.running.frame(frame)
        if frame.sample is not None:
            self._sampled(at, frame.sample)
            self.running.sampled(at, frame.mono, frame.sample)
        self.growth.frame(frame)
        if self.history_from is None or frame.at < self.history_from:
            self.history_from = frame.at

    def _sampled(self, at: float, sample: Sample) -> None:
        self.history.add(at, sample)
        self.memory.add(at, sample)
        self.saturation.add(at, sample)
        if at >= self._sample_at:
            self._sample_at = at
            self.sample = sample

    def serves(self, app: str | None) -> bool:
        """Whether the worker holds an app (every worker holds None)."""
        return (
            app is None or self.hello is None or app in self.hello.apps or bool(self.sample and app in self.sample.apps)
        )


def sum_of(workers: list[Worker], value: Callable[[Sample], float | None]) -> float | None:
    """Return the sum of what is known over the newest samples, None where nothing is."""
    values = [value(worker.sample) for worker in workers if worker.sample is not None]
    known = [one for one in values if one is not None]
    return sum(known) if known else None
