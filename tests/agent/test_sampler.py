"""What a sample says of memory: collections by generation, allocated blocks, the age of USS and PSS."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flasktop.agent import figures
from flasktop.agent import sampler as module
from flasktop.agent.sampler import GcClock, Sampler, SamplerLoader
from flasktop.protocol.blackbox import parse
from flasktop.protocol.records import UNKNOWN, Sample
from tests.agent.support import until


@pytest.fixture
def clock() -> Iterator[GcClock]:
    clock = GcClock()
    clock.install()
    yield clock
    clock.remove()


def take(sampler: Sampler) -> Sample:
    return sampler.sample(requests=0, in_flight=0, running=(), apps=(), faults=0)


def test_collections_are_counted_and_timed_by_generation(clock: GcClock) -> None:
    before = list(clock.counts)
    for generation in (0, 1, 2, 2):
        gc.collect(generation)
    counted = [now - then for now, then in zip(clock.counts, before, strict=True)]

    assert counted[0] >= 1 and counted[1] >= 1 and counted[2] == 2
    assert 0 < clock.last_full_ns <= clock.longest_ns[2] <= clock.pauses_ns[2]


def test_a_sample_says_collections_of_each_generation_and_their_sum(clock: GcClock) -> None:
    sampler = Sampler(clock, lambda: 0)
    gc.collect()
    sample = take(sampler)

    assert sum(sample.gc_counts) == sample.gc_collections and sample.gc_counts[2] >= 1
    assert abs(sum(sample.gc_pauses_us) - sample.gc_pause_us) <= 3
    assert len(sample.gc_longest_us) == 3


def test_a_sample_says_allocated_blocks(clock: GcClock) -> None:
    sampler = Sampler(clock, lambda: 0)
    before = take(sampler).allocated_blocks
    held = [object() for _ in range(100_000)]
    time.sleep(0.01)  # the count may be made again after a thousand times what it took
    after = UNKNOWN
    while after == UNKNOWN:
        after = take(sampler).allocated_blocks

    assert 90_000 < after - before < 200_000 and len(held) == 100_000


def test_blocks_are_counted_more_rarely_where_that_takes_long(clock: GcClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> int:
        time.sleep(0.01)
        return 7

    sampler = Sampler(clock, lambda: 0)
    monkeypatch.setattr(sys, "getallocatedblocks", slow)

    assert take(sampler).allocated_blocks == 7
    assert take(sampler).allocated_blocks == UNKNOWN


def test_an_allocator_that_does_not_count_is_unknown(clock: GcClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: 0)

    assert take(Sampler(clock, lambda: 0)).allocated_blocks == UNKNOWN


def test_uss_says_how_old_it_is(clock: GcClock) -> None:
    sampler = Sampler(clock, lambda: 0)
    first = take(sampler)
    assert first.uss_bytes == first.full_age_s == UNKNOWN
    sampler._dear_due = 0.0
    measured = take(sampler)
    again = take(sampler)

    assert measured.uss_bytes > 0 and 0 <= measured.full_age_s < again.full_age_s


def test_uss_is_measured_the_more_rarely_the_longer_it_takes(clock: GcClock, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Sampler(clock, lambda: 0)
    real = sampler._figures.unshared

    def slow() -> tuple[int, int]:
        time.sleep(0.02)
        return real()

    monkeypatch.setattr(sampler._figures, "unshared", slow)
    now = time.perf_counter()
    sampler._measure_dear(now)

    assert sampler._dear_due - now >= 0.02 * module.DEAR_SHARE > module.DEAR_EVERY_S


def test_context_switches_are_those_of_all_threads(clock: GcClock) -> None:
    sampler = Sampler(clock, lambda: 0)
    before = take(sampler).context_switches

    def sleep_often() -> None:
        for _ in range(100):
            time.sleep(0.0001)

    thread = threading.Thread(target=sleep_often)
    thread.start()
    thread.join()

    assert take(sampler).context_switches >= before + 100


LATE = """
import sys
from flask import Flask
from flasktop import FlaskTop
app = Flask("late")
FlaskTop(app)
app.add_url_rule("/", view_func=lambda: "x")
assert "psutil" not in sys.modules
app.test_client().get("/")
print("ready", flush=True)
sys.stdin.read()
assert ("psutil" in sys.modules) == (sys.platform != "linux")
"""


def test_samples_load_psutil_only_where_the_system_tells_nothing_itself(directory: Path) -> None:
    """Who the process is, is known before the first one."""
    environment = {**os.environ, "FLASKTOP_DIR": str(directory)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", LATE], env=environment, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None and child.stdout.readline()
        (journal,) = directory.glob("*.journal")
        until(lambda: any(frame.sample for frame in parse(journal.read_bytes()).frames))
        box = parse(journal.read_bytes())
        created = psutil.Process(child.pid).create_time()
        child.communicate("")

    assert box.hello.started_at == pytest.approx(created, abs=1.5)  # psutil knows whole seconds
    assert child.returncode == 0


def test_psutil_is_loaded_beside_the_thread_that_serves(clock: GcClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "need_psutil", lambda: True)
    monkeypatch.setattr(module, "_is_loaded", lambda name: False)
    loader = SamplerLoader(clock, lambda: 0)
    loader.begin()
    until(loader.arrives)

    assert loader.sampler is not None and take(loader.sampler).rss_bytes > 0
