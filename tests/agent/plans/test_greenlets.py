"""Under gevent a plan is made in the hub, as a greenlet, while the command's thread waits natively."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import database_url

REPOSITORY = Path(__file__).parents[3]

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import json, sys
import gevent
from sqlalchemy import create_engine, event, text
from flasktop.agent.commands.job import CommandError, Job
from flasktop.agent import native
from flasktop.agent.commands.explain import Explaining
from flasktop.agent.plans import elsewhere
from flasktop.agent.sql import install
from flasktop.agent.sql.executed import ExecutedTable
from flasktop.agent.trace import sink
from flasktop.protocol.commands.explain import Explain

engine = create_engine(sys.argv[1])
install()
sink.active, sink.seen_cap = True, 100
with engine.connect() as connection:
    connection.execute(text("SELECT 1 WHERE 1 = :a"), {"a": 1}).all()
table = ExecutedTable()
table.take()
span = sink.outside[-1]
for span in sink.outside:
    if span.kind == "statement":
        table.name(0, span.engine, span.text)

class Agent:
    class recorder:
        executed = table
    hub = native.hub()

made, where = [], []
real = elsewhere.Errand.run
def run(self):
    where.append(gevent.getcurrent() is not Agent.hub and gevent.get_hub() is Agent.hub)
    real(self)
elsewhere.Errand.run = run
service = Explaining(Agent)

def ask():
    try:
        made.append(service.run(Explain(0), Job(lambda *said: None)).plan)
    except CommandError as error:
        made.append(f"{error.reason}: {error.message}")

def asked(count):
    native.start_thread(ask)
    ticks = 0
    while len(made) < count:
        ticks += 1
        gevent.sleep(0.001)
    return ticks

asked(1)
elsewhere.DEADLINE_S = 0.3
hanging = create_engine(sys.argv[1], creator=lambda: gevent.sleep(60))
for known in {span.engine for span in sink.outside}:
    known.sql = lambda: hanging
ticks = asked(2)
while not service._elsewhere._last.ended:  # the greenlet is killed
    gevent.sleep(0.001)

# Nobody waits any more before the hub gets round to it: the next one is not kept waiting.
over = []
errand = elsewhere.Errand(lambda: over.append("ran"))
kill = service._elsewhere._start_greenlet(errand)
kill()
while not errand.ended:
    gevent.sleep(0.001)
print(json.dumps([made, where, ticks]))
"""


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "mariadb"])
def test_plans_are_made_in_the_hub(name: str, tmp_path: Path) -> None:
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, database_url(name, tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    (plan, late), where, ticks = json.loads(done.stdout or "[[0, 0], 0, 0]")

    assert not done.stderr and json.loads(plan), done.stderr
    assert where == [True, True]
    assert late.startswith("timed out"), late
    assert ticks > 3, "other greenlets ran meanwhile"


TRYING = """
from gevent import monkey
monkey.patch_all()
import gevent
from sqlalchemy import create_engine, text
from flasktop.agent import native
from flasktop.agent.commands.explain import Explaining
from flasktop.agent.commands.job import Job
from flasktop.agent.sql import install
from flasktop.agent.sql.executed import ExecutedTable
from flasktop.agent.trace import sink
from flasktop.protocol.commands.index import TryIndex

install()
engine = create_engine(__import__("sys").argv[1])
sink.active, sink.seen_cap = True, 100
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE t (a INTEGER, b INTEGER)"))
    connection.execute(text("SELECT b FROM t WHERE a = :a"), {"a": 1}).all()
table = ExecutedTable()
table.take()
(span,) = [span for span in sink.outside if span.text.startswith("SELECT b")]
table.name(0, span.engine, span.text)

class Agent:
    class recorder:
        executed = table
    hub = native.hub()

made = []
service = Explaining(Agent)
native.start_thread(lambda: made.append(service.run(TryIndex(0, "t", ("a",)), Job(lambda *said: None)).after))
while not made:
    gevent.sleep(0.001)
print(made[0])
"""


def test_an_index_is_tried_in_the_hub(tmp_path: Path) -> None:
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", TRYING, database_url("sqlite", tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert not done.stderr and "SEARCH t USING INDEX ix_t_a" in done.stdout, done.stderr
