"""What flasktop takes in an app: CPU time of loading and starting it, and memory with a full journal.

    python -m tests.benchmarks.bench_footprint [--rounds N] [--requests N]

Fresh processes with and without, in turns, medians. Loading is ``FlaskTop(app)`` and the first request (the agent
starts with it), less the same without; memory is the unshared memory (USS) after so many requests of ten statements
each, which fill the journal, less the same without.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Final

from tests.benchmarks.machine import described, spread

CHILD: Final = """
import os, sys, time
import psutil
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
left = int(sys.argv[2])
while left > 0:
    serve(contenders.TEN, 500)
    left -= 500
    time.sleep(0.25)
time.sleep(1.5)
journal = 0.0
if sys.argv[1] == "1":
    from flasktop.agent.process import process
    journal = process.agent.journal.oldest_seq
print(loaded * 1000, psutil.Process().memory_full_info().uss / 2**20, journal)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=80_000, help="of ten statements; these fill the journal")
    options = parser.parse_args()
    print(described("flasktop", "Flask", "SQLAlchemy", "msgspec", "psutil"))
    loading, memory, evicted = [], [], 0.0
    for _ in range(options.rounds):
        bare, watched = (_child(enabled, options.requests) for enabled in ("0", "1"))
        loading.append(watched[0] - bare[0])
        memory.append(watched[1] - bare[1])
        evicted = watched[2]
    said = "full" if evicted else "not full"
    for label, figures, unit in (("loading and starting", loading, "ms of CPU"), ("memory", memory, "MB")):
        low, high = spread(figures)
        print(f"{label}: {statistics.median(figures):.1f} {unit} ({low:.1f} to {high:.1f})")
    print(f"median of {options.rounds} pairs; the journal was {said}")


def _child(enabled: str, requests: int) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory(prefix="ft-") as folder:
        environment = {**os.environ, "FLASKTOP_DIR": f"{folder}/run", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-c", CHILD, enabled, str(requests)]
        said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    loaded, uss, evicted = map(float, said.split())
    return loaded, uss, evicted


if __name__ == "__main__":
    main()
