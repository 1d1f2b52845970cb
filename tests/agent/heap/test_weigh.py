"""What is weighed against guppy3's own answer, and that the copy needs no import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

OWN = ("types.CodeType", "type", "dict of type")
"""Of these we leave out those that weigh."""
REPOSITORY = Path(__file__).parents[3]

AGAINST_GUPPY = """
import gc, json, sys
from flasktop.agent.heap.child import Terms, weigh
from flasktop.agent.heap.session import Copy
from flasktop.agent.heap.weigh import Weighing
from flasktop.agent.commands.job import Job
from flasktop.agent.heap.wire import Weigh, Weighed
import guppy

class Quote:
    def __init__(self, number):
        self.number = [number]

QUOTES = {number: Quote(number) for number in range(5000)}
ALONE = {"copy": Copy, "job": Job}

def main():
    hp = guppy.hpy()
    hp.heap()
    gc.collect()
    copy = Copy(1, Terms(False, 60, 60, 60))
    ours = copy.ask(Weigh(1000), Weighed, Job(lambda *said: None), 60)
    theirs = hp.heap()
    copy.kill("done"); copy.wait()
    rows = {}
    for row in theirs.byclodo.partition.get_rows():
        count, size = rows.get(row.name, (0, 0))
        rows[row.name] = (count + row.count, size + row.size)
    print(json.dumps({
        "ours": {row.name: (row.count, row.bytes) for row in ours.by_type},
        "theirs": rows,
    }))

main()
"""

IMPORTS = """
import sys
from flasktop.agent.heap import child, session
from flasktop.agent.heap.child import weigh
from flasktop.agent.heap.paths import held
from flasktop.agent.heap.weigh import Weighing
from flasktop.protocol.commands.heap import HeapPaths, Step
from flasktop.agent.heap import wire

class Thing: pass
THINGS = [Thing() for _ in range(100)]

def main():
    before = set(sys.modules)
    weighing = Weighing()
    wire.encode(weigh(weighing, 100))
    for by in ("type", "module", "referrers", "owner", "size", "object"):
        weighing.rows((), by, 5, True)
    row = [row.name for row in weighing.divide((), "type")].index("__main__.Thing")
    found = held(weighing, HeapPaths(1, (Step("type", row),)), values=True)
    assert found.holder == "__main__.THINGS", found
    print(sorted(set(sys.modules) - before))

main()
"""


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_counts_and_sizes_are_guppys_own() -> None:
    """On a still heap with one thread; the difference is what the measurement itself makes."""
    found = json.loads(run(AGAINST_GUPPY))
    ours, theirs = (
        {name: row for name, row in found[whose].items() if name not in OWN} for whose in ("ours", "theirs")
    )
    objects, size, their_objects, their_size = (
        sum(row[column] for row in rows.values()) for rows in (ours, theirs) for column in (0, 1)
    )

    assert ours["__main__.Quote"] == theirs["__main__.Quote"]
    assert ours["dict of __main__.Quote"] == theirs["dict of __main__.Quote"]
    assert abs(objects - their_objects) < 2000 and abs(size - their_size) < 400_000
    different = {
        name: (ours[name], theirs[name])
        for name in ours.keys() & theirs.keys()
        if abs(ours[name][0] - theirs[name][0]) > 800
    }
    assert not different
    common = sum(count for name, (count, _) in ours.items() if name in theirs)
    assert common > 0.98 * objects


def test_nothing_is_imported_after_the_fork() -> None:
    """An import lock that another thread held at the fork would be held in the copy for ever."""
    assert run(IMPORTS).strip() == "[]"
