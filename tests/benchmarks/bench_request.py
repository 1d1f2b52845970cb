"""CPU that flasktop adds to a trivial request, all threads counted: ``python -m tests.benchmarks.bench_request``.

Two processes, bare and watched, take turns in short rounds; the figure is the median of the differences.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from typing import Final

ROUNDS: Final = 41
REQUESTS: Final = 2000

CHILD: Final = """
import os, sys, time
os.environ["FLASKTOP_ENABLED"] = sys.argv[1]
os.environ["FLASKTOP_DIR"] = sys.argv[2]
from flask import Flask
from werkzeug.test import EnvironBuilder
from flasktop import FlaskTop
app = Flask("bench")
FlaskTop(app)
app.add_url_rule("/item/<int:number>", "item", lambda number: "hello")
base = EnvironBuilder(path="/item/7").get_environ()

def serve(count):
    for _ in range(count):
        body = app.wsgi_app(dict(base), lambda status, headers, exc_info=None: None)
        for chunk in body:
            pass
        body.close()

serve(3000)
for line in sys.stdin:
    before = time.process_time()
    serve(int(line))
    time.sleep(0.25)  # so that the agent's thread drains what this round made
    print(time.process_time() - before, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of rounds to take the median of")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", CHILD]
        children = [
            subprocess.Popen([*command, enabled, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for enabled in ("0", "1")
        ]
        pairs = [[_round(child) for child in children] for _ in range(rounds)]
        for child in children:
            assert child.stdin is not None
            child.stdin.close()
            child.wait()
    plain = statistics.median(pair[0] for pair in pairs)
    added = statistics.median(pair[1] - pair[0] for pair in pairs)
    print(f"bare {plain:.1f} us a request, flasktop adds {added:.1f} us")
    print(f"median of {rounds} pairs, Python {sys.version.split()[0]}")


def _round(child: subprocess.Popen[str]) -> float:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(f"{REQUESTS}\n")
    child.stdin.flush()
    return float(child.stdout.readline()) / REQUESTS * 1e6


if __name__ == "__main__":
    main()
