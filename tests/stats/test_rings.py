"""The newest traces are kept in bounded memory, whatever they claim of their time."""

from __future__ import annotations

import random

import pytest

from flasktop.stats.rings import Kept, Newest, Rings

SIZE, MOST = 50, 100


def kept(number: int, ended: float) -> Kept:
    return Kept(ended, 1, number, 0.0, 7, 5, b"")


@pytest.mark.parametrize("moments", [1, 2, 40, 1000], ids=lambda moments: f"{moments} moments")
def test_the_newest_are_kept_in_bounded_memory(moments: int) -> None:
    chosen = random.Random(5)
    traces = [kept(number, float(chosen.randrange(moments))) for number in range(2000)]
    newest = Newest()
    for one in traces:
        newest.extend([one], SIZE, MOST)
        assert len(newest.kept) < MOST

    assert newest.newest(SIZE) == sorted(traces, reverse=True)[:SIZE]


def test_so_many_traces_of_one_moment_do_not_pile_up_at_an_endpoint() -> None:
    rings = Rings()
    came = [kept(number, 3.0) for number in range(5000)]
    rings.extend(came, [5] * len(came), came)
    detail = rings.find(7)

    assert detail is not None
    assert len(detail.recent.kept) < 1000 and len(detail.failed.kept) < 1000
    assert detail.recent.newest(10) == came[:-11:-1]
