from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from flasktop.agent import sampler
from flasktop.findings.facts import Facts, Limits
from flasktop.findings.inspect import inspect
from flasktop.findings.model import Finding, Severity
from flasktop.findings.rules import growing
from flasktop.protocol.events import Framed
from flasktop.protocol.records import UNKNOWN
from flasktop.stats.heaps import Heaps
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.findings.watched import Watched
from tests.stats.builders import AT, NOW, Source, make_frame, make_sample
from tests.stats.test_heaps import taken

N = growing.NAME
PACE = 10
"""Requests a second."""

MB = 1_000_000

Curve = Callable[[float], float]


def told(blocks: Curve, rss: Curve, seconds: int, *, pids: tuple[int, ...] = (11,), **more: Any) -> list[Finding]:
    """What the rule says of workers whose blocks and RSS went so, by the seconds since they began."""
    noise = random.Random(5)
    store = Store()
    for pid in pids:
        source = Source(pid=pid)
        store.apply(source.joined())
        for second in range(seconds):
            garbage = noise.choice((0, 0, 500, 4_000))
            sample = msgspec.structs.replace(
                make_sample(requests=second * PACE),
                allocated_blocks=UNKNOWN if math.isnan(blocks(second)) else int(blocks(second)) + garbage,
                rss_bytes=int(rss(second)) + garbage * 60,
                agent_bytes=more.get("agent", lambda _second: 0)(second),
            )
            store.apply(source.frame(mono=NOW + second, sample=sample))
    facts = Facts(store, NOW + seconds, limits=more.get("limits"), heaps=more.get("heaps"))
    report = inspect(facts, (growing.RULE,))
    assert not report.faults
    return list(report.findings)


def flat(level: float) -> Curve:
    return lambda _second: level


def line(level: float, per_second: float) -> Curve:
    return lambda second: level + per_second * second


def test_a_leak_is_probable_within_a_minute_and_says_how_to_find_it() -> None:
    (found,) = told(line(300_000, 300), line(80 * MB, 30_000), 60)

    assert found.title == "The worker probably grows with the requests: roughly 3.0 MB per 1,000"
    assert "30 blocks of memory stayed a request" in found.evidence[0]
    assert "double in" in found.evidence[0] and "an hour" in found.evidence[0]
    assert "A cache that fills looks the same" in found.evidence[-1]
    assert "press h" in found.fix.text and found.severity is Severity.NOTICE


def test_a_leak_is_certain_after_some_minutes_and_measured_in_rss() -> None:
    (found,) = told(line(300_000, 300), line(80 * MB, 30_000), 600)

    assert found.title == "The worker grows with the requests: about 3.0 MB per 1,000"
    assert found.saves_bytes == pytest.approx(108 * MB, rel=0.05) and found.severity is Severity.CRITICAL


def test_what_python_does_not_allocate_is_seen_by_rss() -> None:
    """Large objects and native memory are no blocks of Python's allocator."""
    (found,) = told(flat(300_000), line(80 * MB, 20_000), 900)

    assert "about 2.0 MB per 1,000" in found.title and "blocks" not in found.evidence[0]


def test_rss_alone_says_nothing_in_the_first_minutes() -> None:
    assert told(flat(300_000), line(80 * MB, 200_000), 120) == []


def test_without_a_count_of_blocks_rss_counts() -> None:
    assert len(told(flat(math.nan), line(80 * MB, 30_000), 600)) == 1


def test_workers_that_grow_alike_are_one_finding() -> None:
    (found,) = told(line(300_000, 300), line(80 * MB, 30_000), 60, pids=(11, 12, 13))

    assert found.title.startswith("3 of 3 workers probably grow") and len(found.concerns) == 3


@pytest.mark.parametrize("seconds", [60, 90, 180, 600, 1_800])
def test_an_app_at_rest_is_no_finding(seconds: int) -> None:
    assert told(flat(300_000), flat(80 * MB), seconds) == []


@pytest.mark.parametrize("seconds", [60, 90, 180, 600, 1_800])
@pytest.mark.parametrize("after", [5.0, 10.0, 15.0])
def test_a_warm_up_that_flattens_is_no_finding(seconds: int, after: float) -> None:
    def warm(level: float, gain: float) -> Curve:
        return lambda second: level + gain * (1 - math.exp(-second / after))

    assert told(warm(200_000, 150_000), warm(60 * MB, 60 * MB), seconds) == []


@pytest.mark.parametrize("period", [20, 45, 120, 300])
@pytest.mark.parametrize("seconds", [700, 1_800, 3_500])
def test_a_sawtooth_is_no_finding(period: int, seconds: int) -> None:
    def teeth(level: float, height: float) -> Curve:
        return lambda second: level + height * (second % period) / period

    assert told(teeth(300_000, 200_000), teeth(80 * MB, 80 * MB), seconds) == []


def test_a_jump_is_no_growth() -> None:
    """One large import, or a cache that is loaded whole."""
    assert told(lambda s: 300_000 + 200_000 * (s > 300), lambda s: (80 + 60 * (s > 300)) * MB, 700) == []


def test_flasktops_own_journal_is_not_the_apps_growth() -> None:
    assert told(flat(300_000), line(80 * MB, 20_000), 900, agent=lambda second: 20_000 * second) == []


def test_a_few_blocks_a_request_are_no_finding_unless_a_person_wants_so() -> None:
    few, level = line(300_000, 80), flat(80 * MB)

    assert told(few, level, 200) == []
    assert len(told(few, level, 200, limits=Limits({f"{N}.blocks": 5}))) == 1


def test_what_grew_between_two_heaps_is_named() -> None:
    heaps, worker = Heaps(), Source(pid=11).id
    heaps.add(worker, taken([("shop.quotes.Line", 100, 5_600), ("str", 90, 4_500)], requests=1_000))
    heaps.add(worker, taken([("shop.quotes.Line", 900, 50_400), ("str", 95, 4_700)], requests=3_000))
    (found,) = told(line(300_000, 300), line(80 * MB, 30_000), 60, heaps=heaps)

    assert any("2,000 requests apart, grew most: shop.quotes.Line +44.8 kB" in said for said in found.evidence)
    assert "held by" in found.fix.text


# A real process, whose clock is stretched: what takes a minute there takes seconds here.

STRETCH = 20.0


def stretched(watched: Watched) -> Iterator[Framed]:
    """The frames of this process's agent, as if ``STRETCH`` times as much time had passed between them."""
    source = Source()
    frames = watched.box.frames
    for frame in frames:
        mono = NOW + (frame.mono - frames[0].mono) * STRETCH
        made = make_frame(frame.seq, mono=mono, at=AT, first_number=frame.first_number, finished=0, sample=frame.sample)
        yield Framed(source.id, made, True)


def of_process(watched: Watched, seconds: float) -> list[Finding]:
    store, source = Store(), Source()
    store.apply(source.joined())
    begun, visits = time.monotonic(), 0
    while time.monotonic() < begun + seconds / STRETCH or visits < 300:
        watched.visit("/", 2)
        visits += 2
    events = list(stretched(watched))
    for event in events:
        store.apply(event)
    now = events[-1].frame.mono
    report = inspect(Facts(store, now, window=Window.ALL), (growing.RULE,))
    assert not report.faults and now > NOW + 0.9 * seconds
    return list(report.findings)


@pytest.mark.parametrize("bounded", [False, True])
def test_a_global_that_grows_in_a_real_process_is_found_and_its_bounded_twin_is_not(
    watched: Watched, bounded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "BLOCKS_SHARE", 1)  # counted each time, as once a second would be
    kept: dict[int, list[str]] = {}

    @watched.app.get("/")
    def quote() -> str:
        kept[len(kept) % 3 if bounded else len(kept)] = [f"line {number}" for number in range(1_000)]
        return "kept"

    found = of_process(watched, 80)

    assert [each.rule for each in found] == ([] if bounded else [N])
