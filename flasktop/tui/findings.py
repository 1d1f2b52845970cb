"""The findings of a running attach: rules are asked now and then, in short turns between which keys are answered, and
evidence is fetched behind the scenes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from flasktop.findings.inspect import Report
from flasktop.findings.model import Finding, FindingKey, Severity
from flasktop.stats.views import Window
from flasktop.steps import Steps, finished, timed
from flasktop.tui.turns import RightOfWay, in_turns

if TYPE_CHECKING:
    from textual.app import App

    from flasktop.client.inspection import Inspection
    from flasktop.findings.evidence import Need
    from flasktop.findings.facts import Limits
    from flasktop.stats.heaps import Heaps
    from flasktop.stats.store import Store
    from flasktop.tui.source import Source

LOOK_S: Final = 2.0
"""Seconds between looks at least."""

SHARE: Final = 0.05
"""Looking takes at most this part of the time: after a long look the next one comes later."""

WINDOW: Final = Window.FIVE_MINUTES
"""What is wrong *now*; findings do not change with the window that the lists show."""


class FindingsDesk:
    """Asks the rules about ``store``, in turns for which the ``way`` is free, and fetches evidence from ``source``.

    ``clock`` is the reader's, in seconds; ``changed`` is called when evidence has come; ``seen`` at the end of each
    look, with whether it found something else than the one before. ``heaps`` are those that this reader takes.
    ``evidence`` False: nothing is asked of the workers.

    A look is at one moment, however many turns it takes: the source hands nothing on meanwhile.
    """

    def __init__(
        self,
        app: App[None],
        store: Store,
        source: Source,
        way: RightOfWay,
        clock: Callable[[], float],
        changed: Callable[[], None],
        seen: Callable[[bool], None],
        limits: Limits | None = None,
        heaps: Heaps | None = None,
        *,
        evidence: bool = True,
    ) -> None:
        self.report = Report()
        self.marks: dict[Hashable, Severity] = {}
        self._app, self._clock, self._changed, self._seen = app, clock, changed, seen
        self._store, self._source, self._way, self._limits, self._heaps = store, source, way, limits, heaps
        self._evidence = evidence
        self._next = float("-inf")
        self._of: str | None = None
        self._steps: Steps[None] | None = None
        self._persons_profiles = 0

    @cached_property
    def _inspection(self) -> Inspection:
        from flasktop.client.inspection import Inspection, Looking  # the first picture waits for none of the rules
        from flasktop.findings.facts import Limits

        looking = Looking(self._limits or Limits())
        return Inspection(self._store, self._source, looking, clock=self._clock, heaps=self._heaps)

    @property
    def gathering(self) -> bool:
        """Whether evidence is being fetched."""
        return "_inspection" in self.__dict__ and self._inspection.fetcher.busy

    @property
    def looking(self) -> bool:
        """Whether a look is under way."""
        return self._steps is not None

    def find(self, key: FindingKey) -> Finding | None:
        """A finding of the last look."""
        return next((finding for finding in self.report.findings if finding.key == key), None)

    def look(self, app: str | None = None) -> None:
        """Ask the rules behind the scenes, if it is time, about one ``app`` or all; and have fetched what they want."""
        at = self._clock()
        if self.looking or (at < self._next and app == self._of):
            return
        self._of = app
        self._steps = self._look(at, app)
        self._app.run_worker(self._in_turns(self._steps), group="look", exit_on_error=True)

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Begin no profile meanwhile: a person takes one, or waits for that, and a worker takes one at a time."""
        self._persons_profiles += 1
        try:
            yield
        finally:
            self._persons_profiles -= 1

    def finish(self) -> None:
        """Bring the look that is under way to its end, before the store changes under it."""
        if self._steps is not None:
            finished(self._steps)

    async def _in_turns(self, steps: Steps[None]) -> None:
        async with self._source.turn:
            await in_turns(self._store.folding(self._clock()), self._way)
            await in_turns(steps, self._way)

    def _look(self, at: float, app: str | None) -> Steps[None]:
        before = self._told
        self.report, took = yield from timed(self._inspection.looking(WINDOW, app))
        self.marks = _marks(self.report)
        self._next = at + max(LOOK_S, took / SHARE)
        self._steps = None
        samples = 0 if self._persons_profiles else 1
        needs = self.report.needs if self._evidence else ()
        for need in self._inspection.fetcher.due(needs, samples_at_once=samples):
            self._app.run_worker(self._fetch(need), group="evidence", exit_on_error=True)
        self._seen(self._told != before)

    @property
    def _told(self) -> tuple[Hashable, ...]:
        """What is seen of the findings wherever they are not listed."""
        findings = self.report.findings
        return (*((finding.key, finding.severity) for finding in findings), *self.report.faults)

    async def _fetch(self, need: Need) -> None:
        await self._inspection.fetcher.fetch(need)
        self._next = float("-inf")
        self._changed()


def _marks(report: Report) -> dict[Hashable, Severity]:
    """The worst severity of each row that a finding concerns."""
    marks: dict[Hashable, Severity] = {}
    for finding in report.findings:
        for row in {finding.subject, *finding.concerns}:
            marks[row] = max(marks.get(row, finding.severity), finding.severity)
    return marks
