"""Profiles as workers tell them, made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from flasktop.protocol.commands.profile import Profiled, ProfileFrame, ProfileStack

SHOP = "/srv/shop/views.py"
FLASK = "/venv/lib/python3.11/site-packages/flask/app.py"
ALCHEMY = "/venv/lib/python3.11/site-packages/sqlalchemy/engine/base.py"
MS = 1000

WSGI = (FLASK, "Flask.wsgi_app", 1511, 1479)
DISPATCH = (FLASK, "Flask.dispatch_request", 902, 879)
VIEW = (SHOP, "report", 21, 20)
VIEW_BELOW = (SHOP, "report", 23, 20)
LOAD = (SHOP, "load", 31, 30)
EXECUTE = (ALCHEMY, "Connection.execute", 1450, 1400)

Place = tuple[str, str, int, int]


def profiled(
    *stacks: tuple[Sequence[Place], int, int, bool], seconds: float = 10.0, requests: int = 3, finished: int = 2
) -> Profiled:
    """The profile of a worker: stacks of places, each with its milliseconds, those on the CPU, and whether in SQL."""
    places = list(dict.fromkeys(place for frames, *_ in stacks for place in frames))
    files = list(dict.fromkeys(place[0] for place in places))
    return Profiled(
        seconds=seconds,
        rate=100,
        ticks=990,
        missed=10,
        samples=sum(ms // 10 for _, ms, _, _ in stacks),
        requests=requests,
        finished=finished,
        dropped=0,
        dropped_us=0,
        sampler_us=50_000,
        files=tuple(files),
        frames=tuple(
            ProfileFrame(files.index(file), name, line, first, file.startswith("/srv/"))
            for file, name, line, first in places
        ),
        stacks=tuple(
            ProfileStack(tuple(map(places.index, frames)), ms // 10, ms * MS, cpu * MS, ms * MS if sql else 0, 0)
            for frames, ms, cpu, sql in stacks
        ),
        unseen=("CPU bursts shorter than 5 ms are seen in the call that follows them.",) if stacks else (),
    )


def report(wait: int = 200) -> Profiled:
    """A view that computes 100 ms, sleeps ``wait`` ms, and loads for 700 ms: 600 in SQL, 100 around it."""
    return profiled(
        ((WSGI, DISPATCH, VIEW), 100, 90, False),
        ((WSGI, DISPATCH, VIEW_BELOW), wait, 0, False),
        ((WSGI, DISPATCH, VIEW_BELOW, LOAD, EXECUTE), 600, 0, True),
        ((WSGI, DISPATCH, VIEW_BELOW, LOAD, EXECUTE), 50, 50, False),
        ((WSGI, DISPATCH, VIEW_BELOW, LOAD), 50, 50, False),
        ((WSGI,), 30, 30, False),
    )
