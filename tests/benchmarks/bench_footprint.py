"""What flasktop takes in an app: CPU time of loading and starting it, and memory with a full journal.

    python -m tests.benchmarks.bench_footprint [--rounds N] [--fills N] [--history-bytes N]

Loading is measured in fresh processes with and without, in turns: the CPU time, all threads, from before
``FlaskTop(app)`` to the end of the first request (the agent starts with it), and until two seconds later, when the
agent knows its own cost and has taken the first samples; less the same without. Modules are loaded from bytecode, as
they are once a package is installed. Memory is that of two gunicorn workers, with and without, which serve the same
requests of ten statements each until the journal is full: RSS, PSS and what no other process shares (USS), with the
pages of the journal's file told apart.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from flasktop.protocol import blackbox
from tests.benchmarks.contenders import TEN
from tests.benchmarks.machine import described, spread
from tests.benchmarks.serving import Served, served

CHILD: Final = """
import sys, time
from tests.benchmarks import contenders
app = contenders.bare()
serve = contenders.serving(app)
serve(contenders.TEN, 3)
before = time.process_time()
if sys.argv[1] == "1":
    from flasktop import FlaskTop
    FlaskTop(app)
serve(contenders.TRIVIAL, 1)
loaded = time.process_time() - before
time.sleep(2.0)
print(loaded * 1000, (time.process_time() - before) * 1000)
"""
TURN: Final = 500
"""Requests between two looks at the journal."""
QUIET_S: Final = 2.0
"""What was served last is recorded by then."""


class Held(NamedTuple):
    """A process's memory in MB; ``journal`` is what of its RSS are pages of the journal's file."""

    rss: float
    pss: float
    uss: float
    journal: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of processes that load")
    parser.add_argument("--fills", type=int, default=3, help="pairs of workers that fill the journal (0: none)")
    parser.add_argument("--history-bytes", type=int, default=8 << 20, help="size of the journal's file")
    options = parser.parse_args()
    print(described("flasktop", "Flask", "SQLAlchemy", "msgspec", "psutil", "gunicorn"))
    loading(options.rounds)
    if options.fills:
        memory(options.fills, options.history_bytes)


def loading(rounds: int) -> None:
    """Print what loading and starting takes."""
    with tempfile.TemporaryDirectory(prefix="ft-") as folder:
        for enabled in "01":
            _loaded(folder, enabled)  # leaves the bytecode that the measured ones load
        pairs = [(_loaded(folder, "0"), _loaded(folder, "1")) for _ in range(rounds)]
    for place, label in enumerate(("loading and starting", "the same, and the two seconds after")):
        print(f"{label}: {_told([watched[place] - bare[place] for bare, watched in pairs])} ms of CPU")
    print(f"medians of {rounds} pairs of processes, and their quartiles")


def _loaded(folder: str, enabled: str) -> tuple[float, float]:
    environment = {**os.environ, "FLASKTOP_DIR": f"{folder}/run", "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, enabled]
    said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    loaded, settled = map(float, said.split())
    return loaded, settled


def memory(fills: int, history_bytes: int) -> None:
    """Print what a worker holds with a full journal beyond one without flasktop."""
    pairs, requests = [], 0
    for _ in range(fills):
        with served(False) as bare, served(True, history_bytes) as watched:
            requests = _fill(bare, watched)
            time.sleep(QUIET_S)
            pairs.append((held(bare.worker.pid), held(watched.worker.pid)))
    for label, of in _FIGURES:
        print(f"{label}: {_told([of(watched) - of(bare) for bare, watched in pairs])} MB")
    rss = statistics.median(bare.rss for bare, _ in pairs)
    print(f"medians of {fills} pairs of workers, whose RSS is {rss:.1f} MB without; {requests:,} requests in the last")


_FIGURES: Final[tuple[tuple[str, Callable[[Held], float]], ...]] = (
    ("RSS", lambda each: each.rss),
    ("PSS", lambda each: each.pss),
    ("USS", lambda each: each.uss),
    ("of it pages of the journal's file", lambda each: each.journal),
    ("USS without those", lambda each: each.uss - each.journal),
)


def _fill(bare: Served, watched: Served) -> int:
    """Let both serve as many requests, until the ring of the watched one's journal is full; return how many."""
    (journal,) = Path(watched.environment["FLASKTOP_DIR"]).glob("*.journal")
    count = 0
    with ThreadPoolExecutor(2) as both:
        while not _full(journal):
            for done in [both.submit(_visit, one) for one in (bare, watched)]:
                done.result()
            count += TURN
    return count


def _full(journal: Path) -> bool:
    with journal.open("rb") as file:
        header = file.read(blackbox.HEADER_BYTES)
    tail = blackbox.TAIL[0].unpack_from(header, blackbox.TAIL[1])[0]
    return bool(tail > 0)  # frames have been let go of for newer ones


def _visit(one: Served) -> None:
    connection = http.client.HTTPConnection(one.url.removeprefix("http://"))
    for _ in range(TURN):
        connection.request("GET", TEN)
        connection.getresponse().read()
    connection.close()


def held(pid: int) -> Held:
    """What a process of this host holds (Linux)."""
    sums = dict.fromkeys(("Rss", "Pss", "Private_Clean", "Private_Dirty"), 0)
    journal, in_journal = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in sums:
            sums[name] += int(rest.split()[0])
            journal += int(rest.split()[0]) if in_journal and name == "Rss" else 0
        elif "-" in name.partition(" ")[0]:  # the line that begins a mapping
            in_journal = line.endswith(".journal")
    private = sums["Private_Clean"] + sums["Private_Dirty"]
    return Held(sums["Rss"] / 1024, sums["Pss"] / 1024, private / 1024, journal / 1024)


def _told(figures: Sequence[float]) -> str:
    low, high = spread(figures)
    return f"{statistics.median(figures):.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
