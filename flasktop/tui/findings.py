"""The findings of a running attach: rules are asked now and then, and evidence is fetched behind the scenes."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from flasktop.client.inspection import Inspection, Looking
from flasktop.findings.evidence import Need
from flasktop.findings.facts import Limits
from flasktop.findings.inspect import Report
from flasktop.findings.model import Finding, FindingKey, Severity
from flasktop.stats.heaps import Heaps
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from flasktop.tui.source import Source

if TYPE_CHECKING:
    from textual.app import App

LOOK_S: Final = 2.0
"""Seconds between looks at least."""

SHARE: Final = 0.05
"""Looking takes at most this part of the time: after a long look the next one comes later."""

WINDOW: Final = Window.FIVE_MINUTES
"""What is wrong *now*; findings do not change with the window that the lists show."""


class FindingsDesk:
    """Asks the rules about ``store`` and fetches evidence from ``source``. ``clock`` is the reader's, in seconds;
    ``changed`` is called when evidence has come; ``heaps`` are those that this reader takes.
    ``evidence`` False: nothing is asked of the workers."""

    def __init__(
        self,
        app: App[None],
        store: Store,
        source: Source,
        clock: Callable[[], float],
        changed: Callable[[], None],
        limits: Limits | None = None,
        heaps: Heaps | None = None,
        *,
        evidence: bool = True,
    ) -> None:
        self.report = Report()
        self.marks: dict[Hashable, Severity] = {}
        self._app, self._clock, self._changed = app, clock, changed
        self._inspection = Inspection(store, source, Looking(limits or Limits()), clock=clock, heaps=heaps)
        self._evidence = evidence
        self._next = float("-inf")
        self._of: str | None = None

    @property
    def gathering(self) -> bool:
        """Whether evidence is being fetched."""
        return self._inspection.fetcher.busy

    def find(self, key: FindingKey) -> Finding | None:
        """A finding of the last look."""
        return next((finding for finding in self.report.findings if finding.key == key), None)

    def look(self, app: str | None = None) -> None:
        """Ask the rules, if it is time, about one ``app`` or all; and have fetched what they want."""
        at = self._clock()
        if at < self._next and app == self._of:
            return
        begun = time.perf_counter()
        self._of = app
        self.report = self._inspection.look(WINDOW, app)
        self.marks = _marks(self.report)
        self._next = at + max(LOOK_S, (time.perf_counter() - begun) / SHARE)
        for need in self._inspection.fetcher.due(self.report.needs) if self._evidence else ():
            self._app.run_worker(self._fetch(need), group="evidence", exit_on_error=True)

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
