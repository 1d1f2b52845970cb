"""The figures of this process, read from ``/proc`` and asked of psutil."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from flasktop.agent.figures import Figures, OfLinux, OfPsutil
from tests.agent.support import until

MIB = 1024 * 1024
KINDS = [OfPsutil, OfLinux] if sys.platform == "linux" else [OfPsutil]


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.__name__))
def figures(request: pytest.FixtureRequest) -> Figures:
    made: Figures = request.param()
    return made


def test_memory_that_is_written_to_is_resident_and_unshared(figures: Figures) -> None:
    rss, (uss, _) = figures.rss_and_threads()[0], figures.unshared()
    held = bytearray(os.urandom(64 * MIB))

    assert 60 * MIB < figures.rss_and_threads()[0] - rss < 70 * MIB
    assert 60 * MIB < figures.unshared()[0] - uss < 70 * MIB and held


def test_a_thread_more_is_counted(figures: Figures) -> None:
    def more() -> int:
        before = figures.rss_and_threads()[1]
        end = threading.Event()
        thread = threading.Thread(target=end.wait)
        thread.start()
        during = figures.rss_and_threads()[1]
        end.set()
        thread.join()
        return during - before

    until(lambda: more() == 1, seconds=10)  # where a thread of another test ends meanwhile, it is one less


def test_an_open_file_more_is_counted(figures: Figures) -> None:
    before = figures.descriptors()
    with open(os.devnull):
        assert figures.descriptors() == before + 1


@pytest.mark.skipif(sys.platform != "linux", reason="there is but one source elsewhere")
def test_both_sources_tell_the_same() -> None:
    linux, psutil = OfLinux(), OfPsutil()

    assert linux.created_at == pytest.approx(psutil.created_at, abs=1.5)  # psutil knows whole seconds
    assert linux.rss_and_threads()[0] == pytest.approx(psutil.rss_and_threads()[0], abs=MIB)
    assert linux.rss_and_threads()[1] == psutil.rss_and_threads()[1]
    for mine, its in zip(linux.unshared(), psutil.unshared(), strict=True):
        assert mine == pytest.approx(its, abs=MIB)
