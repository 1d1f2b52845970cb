"""Rules about workers: what their samples say, by hand, and real servers with several workers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from flasktop.client.collect import collect
from flasktop.findings.facts import Facts, Limits
from flasktop.findings.inspect import inspect
from flasktop.findings.model import Finding, Rule, Severity
from flasktop.findings.registry import RULES
from flasktop.findings.rules import collecting, imbalance, saturated
from flasktop.protocol.records import UNKNOWN, Sample
from flasktop.stats.store import Store
from tests.e2e.conftest import Serve, database, directory, serve
from tests.e2e.load import Call, run
from tests.e2e.servers import Kind, gunicorn, until
from tests.findings.watched import of
from tests.stats.builders import NOW, Source, make_sample

__all__ = ["database", "directory", "serve"]

Sampled = Callable[[int], Sample]
ROUTES = ("/a", "/b", "/c", "/d")


def told(
    rule: Rule,
    workers: Sequence[Sampled],
    *,
    seconds: int = 120,
    ms: Sequence[float] = (),
    limits: Limits | None = None,
) -> list[Finding]:
    """What a rule says of workers with a sample a second, who answer each route once a second in ``ms``."""
    store = Store()
    for number, sampled in enumerate(workers):
        source = Source(pid=11 + number)
        routes = [source.route("GET", route) for route in ROUTES]
        store.apply(source.joined())
        store.apply(source.defined())
        took = ms[number] if ms else 10.0
        for second in range(seconds):
            traces = [source.trace(route, ms=took) for route in routes]
            store.apply(source.frame(traces, mono=NOW + second, sample=sampled(second)))
    report = inspect(Facts(store, NOW + seconds, limits=limits), (rule,))
    assert not report.faults
    return list(report.findings)


# Saturation.


def places(share: float, capacity: int = 4) -> Sampled:
    """A worker all of whose places are taken in ``share`` of its samples."""

    def sampled(second: int) -> Sample:
        full = (second * 7) % 100 < share * 100
        return msgspec.structs.replace(make_sample(in_flight=capacity if full else 1), capacity=capacity)

    return sampled


def test_workers_without_a_free_place_are_found_with_who_fills_them() -> None:
    (found,) = told(saturated.RULE, [places(1.0), places(1.0)])

    assert found.title == "All places are taken for 100 % of the last minute: 2 workers, 8 requests at a time"
    assert found.severity is Severity.CRITICAL and "GET /a" in found.evidence[2]


@pytest.mark.parametrize(
    "workers",
    [
        [places(0.6)] * 2,
        [places(1.0), places(0.1)],
        [places(1.0), lambda second: make_sample(in_flight=50)],
        [lambda second: make_sample(in_flight=50)] * 2,
    ],
    ids=["room now and then", "room in one of them", "one of unknown size", "all of unknown size"],
)
def test_where_there_may_be_room_nothing_is_said(workers: list[Sampled]) -> None:
    assert told(saturated.RULE, workers) == []


def test_a_burst_of_some_seconds_is_no_saturation() -> None:
    assert told(saturated.RULE, [places(1.0)], seconds=12) == []


# Garbage collection.


def collects(gc_share: float, cpu: float, pause_share: float | None = None) -> Sampled:
    """A worker that uses ``cpu`` of a processor and spends ``gc_share`` of that collecting."""

    def sampled(second: int) -> Sample:
        spent = int(gc_share * cpu * second * 1e6)
        paused = spent if pause_share is None else int(pause_share * second * 1e6)
        return msgspec.structs.replace(
            make_sample(cpu_percent=cpu * 100),
            gc_counts=(second * 5, second, second // 2),
            gc_pauses_us=(0, 0, paused),
            gc_longest_us=(10, 10, 84_000),
            gc_cpu_us=spent,
        )

    return sampled


def test_much_time_in_the_collector_is_found_with_the_longest_pause() -> None:
    (found,) = told(collecting.RULE, [collects(0.4, 0.8)])

    assert found.title == "The worker spends up to 40 % of its CPU collecting garbage"
    assert any("stopped all threads for 84 ms" in said for said in found.evidence) and "gc.freeze()" in found.fix.code


def test_pauses_that_a_busy_machine_makes_long_are_no_finding() -> None:
    assert told(collecting.RULE, [collects(0.1, 0.3, pause_share=0.5)]) == []


def test_a_worker_that_is_hardly_busy_is_no_finding() -> None:
    assert told(collecting.RULE, [collects(0.6, 0.02)]) == []


def test_a_worker_that_does_not_say_so_is_no_finding() -> None:
    def silent(second: int) -> Sample:
        return msgspec.structs.replace(collects(0.5, 0.9)(second), gc_cpu_us=UNKNOWN)

    assert told(collecting.RULE, [silent]) == []


# Imbalance.


def uses(cpu: float) -> Sampled:
    return lambda second: make_sample(cpu_percent=cpu * 100)


def test_a_worker_that_is_slower_on_the_same_endpoints_is_found() -> None:
    (found,) = told(imbalance.RULE, [uses(0.1)] * 3, ms=[10, 31, 11])

    assert found.title.startswith("Process 12 is 3.") and "GET /a 31 ms against 10 ms" in found.evidence[0]


@pytest.mark.parametrize("ms", [[10, 10, 10], [10, 17, 10], [30, 30, 29]])
def test_workers_that_answer_about_alike_are_no_finding(ms: list[float]) -> None:
    assert told(imbalance.RULE, [uses(0.1)] * 3, ms=ms) == []


def test_with_few_requests_each_nothing_is_said() -> None:
    assert told(imbalance.RULE, [uses(0.1)] * 2, ms=[10, 90], seconds=20) == []


def test_a_busy_worker_among_idle_ones_is_found() -> None:
    (found,) = told(imbalance.RULE, [uses(0.1), uses(0.95), uses(0.2)])

    assert found.title == "Process 12 is at 95 % of a processor, its siblings at 20 % at most"


@pytest.mark.parametrize("cpu", [[0.9, 0.9], [0.5, 0.05], [0.95, 0.6], [0.95]])
def test_workers_that_are_all_busy_or_not_very_are_no_finding(cpu: list[float]) -> None:
    assert told(imbalance.RULE, [uses(each) for each in cpu]) == []


# Real servers.


def seen(directory: Path, *limits: str) -> tuple[Finding, ...]:
    from flasktop.client.inspection import Looking
    from flasktop.findings.registry import THRESHOLDS

    looking = Looking(Limits.parse(limits, THRESHOLDS))
    report = asyncio.run(collect(None, directory=str(directory), seconds=0.5, looking=looking)).report
    assert not report.faults
    return report.findings


@pytest.mark.e2e
def test_a_real_server_without_a_free_place_is_found(serve: Serve, directory: Path) -> None:
    server = serve(Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "2", workers=1), 1))
    run(server.port, [Call("GET", "/simple", "/simple", 200)], explain=server.said)
    over = threading.Event()

    def visit() -> None:
        while not over.is_set():
            run(server.port, [Call("GET", "/slow?seconds=1", "/slow", 200)], explain=server.said)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    found: list[Finding] = []

    def is_found() -> bool:
        found[:] = of(saturated.NAME, seen(directory, f"{saturated.NAME}.samples=6", f"{saturated.NAME}.share=0.7"))
        return bool(found)

    try:
        until(is_found, server.said, patience=60)
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()

    assert "1 worker, 2 requests at a time" in found[0].title and "GET /slow" in " ".join(found[0].evidence)


@pytest.mark.e2e
def test_three_real_workers_under_a_fair_load_are_accused_of_nothing(serve: Serve, directory: Path) -> None:
    server = serve(Kind("gunicorn gthread", gunicorn("-k", "gthread", "--threads", "4", workers=3), 3))
    begun = time.monotonic()
    while time.monotonic() < begun + 12:
        run(server.port, [Call("GET", "/simple", "/simple", 200)] * 40, at_once=3, explain=server.said)

    names = {rule.name for rule in RULES}
    assert {finding.rule for finding in seen(directory)} & names == set()
