"""A real Flask app in this process, its agent, and what the rules say of it through a real reader."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import Flask

from flasktop import FlaskTop
from flasktop.client.collect import Collected, collect
from flasktop.client.inspection import Looking
from flasktop.findings.facts import Limits
from flasktop.findings.inspect import Report
from flasktop.findings.model import Finding
from tests.agent.support import Box, until

WARM: int = 5
"""How often a view is visited where a test does not say: enough for every rule to speak."""


class Watched:
    """An app called ``shop``. Give it views, ``visit`` them, ask for ``findings``."""

    def __init__(self, box: Box, **config: Any) -> None:
        self.box = box
        self.app = Flask("shop")
        self.app.config.update(config)
        FlaskTop(self.app)
        self._visits = 0

    def visit(self, path: str, times: int = WARM, **options: Any) -> None:
        """Request ``path`` so often, and wait until the journal has it."""
        client = self.app.test_client()
        for _ in range(times):
            client.open(path, buffered=True, **options)  # closed, also where the app failed
        self.came(times)

    def came(self, times: int) -> None:
        """Wait until the journal has so many requests more, which came some other way."""
        self._visits += times
        self.await_traces(self._visits)

    def await_traces(self, count: int) -> None:
        """Wait until the journal has so many requests."""
        until(lambda: sum(len(frame.traces) for frame in self.box.frames) >= count)

    @contextmanager
    def visited(self, path: str, visitors: int = 1, **options: Any) -> Iterator[None]:
        """While visitors request ``path`` again and again: where samples of running requests are asked for."""
        self.visit(path, 1, **options)  # the agent is there from the first request on
        stop = threading.Event()

        def visit() -> None:
            client = self.app.test_client()
            while not stop.is_set():
                client.open(path, buffered=True, **options)

        threads = [threading.Thread(target=visit) for _ in range(visitors)]
        for thread in threads:
            thread.start()
        try:
            self.await_traces(self._visits + WARM)
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def collected(self, *limits: str, seconds: float = 0.1) -> Collected:
        """What a reader sees, with the rules' report."""
        from flasktop.findings.registry import THRESHOLDS

        return asyncio.run(collect("shop", seconds=seconds, looking=Looking(Limits.parse(limits, THRESHOLDS))))

    def report(self, *limits: str) -> Report:
        """What the rules say; ``limits`` are thresholds: ``n-plus-one.repeats=5``."""
        report = self.collected(*limits).report
        assert not report.faults
        return report

    def findings(self, rule: str, *limits: str) -> list[Finding]:
        """What one rule says."""
        return of(rule, self.report(*limits).findings)

    def finding(self, rule: str, *limits: str) -> Finding:
        """The only thing that one rule says."""
        found = self.findings(rule, *limits)
        assert len(found) == 1, [each.title for each in found]
        return found[0]


def of(rule: str, findings: Sequence[Finding]) -> list[Finding]:
    """Those of one rule."""
    return [finding for finding in findings if finding.rule == rule]
