"""CPU that flasktop and its peers add to a request and to an ORM statement: the README's table.

    python -m tests.benchmarks.bench_cost [--rounds N]

Every contender is a process of its own with the same app (``contenders.py``), started anew for every round, since one
process runs the same code some per cent faster than another, by where its memory happens to lie. Within a
round they take turns of some ten milliseconds, so that a machine whose speed drifts disturbs all alike; a round's
figure is a contender's whole CPU, all threads counted, less that of the bare app in the same round, and the table shows
the medians. What a background thread does late is waited for, and belongs to the round. What a process uses that does
nothing, and one that serves a request now and then, is measured after each round and told in columns of their own. The
latter is taken off for the time in which a contender waits for its turn, less what the bare app uses so: an app that
serves all the time has no such time. Peers come with ``pip install -e '.[bench]'``; one that is not installed
is named and left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benchmarks.contenders import SELECTS, TEN, TRIVIAL
from tests.benchmarks.machine import described, spread, version

ROUNDS: Final = 32
TURNS: Final = 20
REQUESTS: Final = 100
TENS: Final = 10
"""Requests a turn: trivial ones, and ones with ten selects. Either takes the bare app some 10 ms."""
SETTLE_S: Final = 0.3
"""How long background threads have to take what the turns left: the agent's looks every 0.2 s."""
START_S: Final = 1.0
"""For what a process does once, soon after its start."""
REST_S: Final = 2.4
"""For so long it is measured after each round what the processes use at rest, all of them at a time, and for as long
what they use when they serve a request now and then. Not before the first round: what a process does once, soon after
its start, is none of it."""
SELDOM_S: Final = 0.15
"""How often that is: about as often as turns come."""


@dataclass(frozen=True)
class Contender:
    """A row of the table: what it is called there, which app it runs, and what must be installed for it."""

    label: str
    app: str
    needs: tuple[str, ...] = ()
    reader: bool = False


CONTENDERS: Final = (
    Contender("bare", "bare"),
    Contender("flasktop", "flasktop"),
    Contender("flasktop, a reader attached", "flasktop", reader=True),
    Contender("Flask-SQLAlchemy, recorded queries", "recorded queries"),
    Contender("prometheus_flask_exporter", "prometheus", ("prometheus_flask_exporter",)),
    Contender("Flask-DebugToolbar", "debug toolbar", ("Flask-DebugToolbar",)),
    Contender(
        "OpenTelemetry (Flask, SQLAlchemy), null exporter",
        "opentelemetry",
        ("opentelemetry-instrumentation-flask", "opentelemetry-instrumentation-sqlalchemy", "opentelemetry-sdk"),
    ),
    Contender("Sentry (all traces), null transport", "sentry", ("sentry-sdk",)),
)


@dataclass(frozen=True)
class Used:
    """CPU seconds that a contender has used in some turns, and the seconds in which it waited for them."""

    spent: float
    waited: float


@dataclass
class Figures:
    """What was measured of a contender: in trivial requests, and in those with selects, by round; and CPU seconds a
    second at rest, and with a request now and then, by round."""

    contender: Contender
    trivial: list[Used] = field(default_factory=list)
    tens: list[Used] = field(default_factory=list)
    rests: list[float] = field(default_factory=list)
    seldoms: list[float] = field(default_factory=list)

    def requests(self, bare: Figures) -> list[float]:
        """CPU us a trivial request, by round."""
        return [self._us(used, REQUESTS, bare) for used in self.trivial]

    def statements(self, bare: Figures) -> list[float]:
        """CPU us a statement, by round."""
        tens = [self._us(used, TENS, bare) for used in self.tens]
        return [(ten - request) / SELECTS for ten, request in zip(tens, self.requests(bare), strict=True)]

    def _us(self, used: Used, count: int, bare: Figures) -> float:
        waiting = statistics.median(self.seldoms) - statistics.median(bare.seldoms)
        return (used.spent - used.waited * waiting) / (TURNS * count) * 1e6


@dataclass(frozen=True)
class Running:
    """A contender's process."""

    figures: Figures
    process: subprocess.Popen[str]

    def serve(self, path: str, count: int) -> float:
        """CPU seconds that the process has used when it has served so many more requests."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{path} {count}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def take_round(running: list[Running]) -> None:
    """One figure more of each kind for each contender."""
    for one, used in zip(running, _used(running, TRIVIAL, REQUESTS), strict=True):
        one.figures.trivial.append(used)
    for one, used in zip(running, _used(running, TEN, TENS), strict=True):
        one.figures.tens.append(used)
    for one, share in zip(running, _share(running, lambda: time.sleep(REST_S)), strict=True):
        one.figures.rests.append(share)
    for one, share in zip(running, _share(running, lambda: _seldom(running)), strict=True):
        one.figures.seldoms.append(share)


def _share(running: list[Running], work: Callable[[], None]) -> list[float]:
    """CPU seconds a second that each contender uses meanwhile."""
    before, started_at = _so_far(running), time.perf_counter()
    work()
    took = time.perf_counter() - started_at
    return [(end - start) / took for start, end in zip(before, _so_far(running), strict=True)]


def _seldom(running: list[Running]) -> None:
    for turn in range(round(REST_S / SELDOM_S)):
        for place in range(len(running)):  # the first after a pause finds the processor asleep
            running[(turn + place) % len(running)].serve(TRIVIAL, 1)
        time.sleep(SELDOM_S)


def _used(running: list[Running], path: str, count: int) -> list[Used]:
    """What each contender has used for ``TURNS`` turns and what they leave behind."""
    before, started_at = _so_far(running), time.perf_counter()
    for turn in range(TURNS):
        for place in range(len(running)):
            running[(turn + place) % len(running)].serve(path, count)
    time.sleep(SETTLE_S)
    took = time.perf_counter() - started_at
    spent = [end - start for start, end in zip(before, _so_far(running), strict=True)]
    return [Used(each, max(took - each, 0)) for each in spent]


def _so_far(running: list[Running]) -> list[float]:
    return [one.serve(TRIVIAL, 0) for one in running]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds to take the medians of")
    parser.add_argument("--only", help="run the contenders whose label contains this, and the bare app")
    options = parser.parse_args()
    packages = dict.fromkeys(need for contender in CONTENDERS for need in contender.needs)
    print(described("flasktop", "Flask", "Werkzeug", "SQLAlchemy", "Flask-SQLAlchemy", "msgspec", *packages))
    wanted = [one for one in CONTENDERS if one.app == "bare" or (options.only or "") in one.label]
    missing = [one for one in wanted if any(version(need) == "not installed" for need in one.needs)]
    measured = [Figures(one) for one in wanted if one not in missing]
    for _ in range(options.rounds):
        with ExitStack() as stack:
            running = [stack.enter_context(started(one)) for one in measured]
            time.sleep(START_S)
            take_round(running)
    counts = f"{TURNS} turns of {REQUESTS} requests, and of {TENS} with {SELECTS} selects each"
    print(f"medians of {options.rounds} rounds of {counts}\n")
    print(table(measured))
    for one in missing:
        print(f"\nLeft out, since it is not installed: {one.label} (pip install -e '.[bench]').")


@contextmanager
def started(figures: Figures) -> Iterator[Running]:
    """The contender's process, ready, and its reader's where it has one."""
    contender = figures.contender
    with tempfile.TemporaryDirectory(prefix="ft-") as folder, ExitStack() as stack:
        environment = {**os.environ, "FLASKTOP_DIR": str(Path(folder) / "run"), "PYTHONWARNINGS": "ignore"}
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.contenders", contender.app],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{contender.label} did not start; its error is above.")
        if contender.reader:
            reader = [sys.executable, "-m", "flasktop", "snapshot", "--for", "86400"]
            attached = stack.enter_context(subprocess.Popen(reader, env=environment, stdout=subprocess.DEVNULL))
            stack.callback(attached.kill)
        yield Running(figures, process)


def table(measured: list[Figures]) -> str:
    """The README's table: the bare app's own cost first, then what each adds to it."""
    bare = measured[0]
    lines = [
        "| CPU, all threads | a trivial request | an ORM select | at rest | a request now and then |",
        "| --- | --- | --- | --- | --- |",
        f"| the bare app | {statistics.median(bare.requests(bare)):.0f} us "
        f"| {statistics.median(bare.statements(bare)):.0f} us | {_shares(bare)} |",
    ]
    for one in measured[1:]:
        request = _added(one.requests(bare), bare.requests(bare))
        statement = _added(one.statements(bare), bare.statements(bare))
        lines.append(f"| {one.contender.label} | {request} | {statement} | {_shares(one)} |")
    return "\n".join(lines)


def _shares(figures: Figures) -> str:
    rest, seldom = statistics.median(figures.rests), statistics.median(figures.seldoms)
    return f"{rest:.2%} of a core | {seldom:.2%}".replace("%", " %")


def _added(figures: list[float], bare: list[float]) -> str:
    differences = [one - other for one, other in zip(figures, bare, strict=True)]
    low, high = spread(differences)
    return f"{statistics.median(differences):+.1f} us ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
