"""Looking at an app with all rules and fetching the evidence that they ask for, until there is nothing more to say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from flasktop.client.evidence import EvidenceFetcher
from flasktop.client.profile import Asking
from flasktop.findings.facts import Facts, Limits
from flasktop.findings.inspect import Report, inspecting
from flasktop.findings.model import Rule
from flasktop.findings.registry import RULES
from flasktop.stats.heaps import Heaps
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from flasktop.steps import Steps, finished

PATIENCE_S: Final = 20.0
"""How long evidence is waited for by default: three sampled profiles, one after the other, and plans meanwhile."""


@dataclass(frozen=True, slots=True)
class Looking:
    """How to look at an app: with which rules and thresholds, and for how long to wait for evidence."""

    limits: Limits = field(default_factory=Limits)
    rules: Sequence[Rule] = RULES
    patience_s: float = PATIENCE_S


class Inspection:
    """The rules over one store. ``clock`` is the reader's monotonic clock in seconds; ``heaps`` are
    those that were taken, where somebody does."""

    def __init__(
        self,
        store: Store,
        source: Asking,
        looking: Looking | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        heaps: Heaps | None = None,
    ) -> None:
        self.fetcher = EvidenceFetcher(store, source, clock)
        self._looking = looking or Looking()
        self._store, self._clock, self._heaps = store, clock, heaps

    def look(self, window: Window, app: str | None = None) -> Report:
        """What the rules say now, with the evidence that is there."""
        return finished(self.looking(window, app))

    def looking(self, window: Window, app: str | None = None) -> Steps[Report]:
        """Look step by step, for a screen that has keys to answer in between; the store must take nothing meanwhile."""
        facts = Facts(
            self._store,
            self._clock(),
            window=window,
            app=app,
            evidence=self.fetcher.book,
            limits=self._looking.limits,
            heaps=self._heaps,
        )
        report = yield from inspecting(facts, self._looking.rules)
        return replace(report, faults=(*report.faults, *self.fetcher.faults.values()))

    async def settle(self, window: Window, app: str | None = None) -> Report:
        """Look and fetch until no rule asks for more, or patience is at its end; return the last report."""
        until = self._clock() + self._looking.patience_s
        report = self.look(window, app)
        fetching: set[asyncio.Task[None]] = set()
        try:
            while True:
                fetching |= {asyncio.create_task(self.fetcher.fetch(need)) for need in self.fetcher.due(report.needs)}
                left = until - self._clock()
                if not fetching or left <= 0:
                    return report
                done, fetching = await asyncio.wait(fetching, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
                report = self.look(window, app)
        finally:
            for each in fetching:
                each.cancel()
            if fetching:
                await asyncio.wait(fetching)
