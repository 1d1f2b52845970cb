"""The system's own threads and sockets, also where gevent has replaced them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flasktop.agent import native

REPOSITORY = Path(__file__).parents[2]


def test_threads_are_threads_here() -> None:
    assert native.greenlets() == ""


def test_the_original_is_the_module_s_own_where_nothing_is_patched() -> None:
    import time

    assert native.original("time", "sleep") is time.sleep


GEVENT = """
from gevent import monkey
monkey.patch_all()
import threading, time
from flasktop.agent import native
done = []
native.start_thread(lambda: (native.original("time", "sleep")(0.01), done.append(1)))
end = time.perf_counter() + 10
while not done and time.perf_counter() < end:  # the hub never runs meanwhile
    pass
assert native.greenlets() == "gevent"
assert native.original("time", "sleep") is not time.sleep
assert type(native.poll()).__module__ == "select"
assert native.socket.__module__ == "_socket"
print(done)
"""


def test_a_native_thread_runs_while_the_hub_computes() -> None:
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", GEVENT],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )

    assert done.stdout == "[1]\n", done.stderr


def test_a_forked_child_is_told_by_its_mark() -> None:
    """In a process of its own: forking one with threads warns from Python 3.12 on."""
    code = """
import os
from flasktop.agent import native
mark = native.fork_mark()
pid = os.fork()
if pid == 0:
    os._exit(mark[0])
print(mark[0], os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout == "1 0\n", done.stderr


def test_where_pages_are_not_wiped_the_number_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flasktop.agent.native.sys.platform", "darwin")
    mark = native.fork_mark()

    assert mark[0] == 1
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert mark[0] == 0
