"""A process with nothing of flasktop in it yet, and one that is left that way."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flasktop.agent import loop, runtime, upkeep
from flasktop.agent.guard import guard
from flasktop.agent.process import process
from flasktop.agent.trace import SpanSink, current_trace, sink
from tests.agent.support import Box


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where sockets and journals go: short, since pytest's own is too long for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="ft-", dir="/tmp"))
    yield folder / "run"
    shutil.rmtree(folder)


@pytest.fixture
def world(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """No agent, a small journal, quick ticks; the agent that the test starts is stopped after it."""
    monkeypatch.setenv("FLASKTOP_DIR", str(directory))
    monkeypatch.setenv("FLASKTOP_HISTORY_BYTES", str(1 << 20))
    monkeypatch.setattr(loop, "TICK_S", 0.01)
    monkeypatch.setattr(loop, "SAMPLE_S", 0.05)
    monkeypatch.setattr(loop, "REST_S", 0.05)
    monkeypatch.setattr(upkeep, "UPKEEP_S", 0.05)
    _forget()
    yield Box()
    if process.agent is not None:
        monkeypatch.setattr(runtime, "STOP_WAIT_S", 10.0)
        process.agent.stop()
    _forget()


@pytest.fixture
def box(world: Box) -> Iterator[Box]:
    """The same; no fault of ours is tolerated."""
    yield world
    assert guard.errors == 0, list(guard.unsaid)


def _forget() -> None:
    process.agent = None
    process.apps.clear()
    process.roots.clear()
    process._owners.clear()
    guard.errors = 0
    guard._faults.clear()
    guard.unsaid.clear()
    current_trace.set(None)
    # Also what an agent sets by its settings: a cap of one span would make tests of the SQL hooks fail that come next.
    new = SpanSink()
    for name in SpanSink.__slots__:
        setattr(sink, name, getattr(new, name))
