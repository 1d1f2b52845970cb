"""A profile of one endpoint: stacks sampled while its requests run, and only those.

A sample stands for the time since the tick before it (``wall_us``); of that time its thread was on the CPU for
``cpu_us``, in the database for ``sql_us``, and waited for the rest.
"""

from __future__ import annotations

from typing import Final

from flasktop.protocol.records import Message

DEFAULT_RATE: Final = 100
DEFAULT_SECONDS: Final = 10.0
MAX_RATE: Final = 200
"""Ticks a second at most."""
MAX_SECONDS: Final = 60.0


class ProfileEndpoint(Message, frozen=True, tag="profile"):
    """Sample the requests of ``routes`` (the worker's own ids) ``rate`` times a second for ``seconds``."""

    routes: tuple[int, ...]
    seconds: float = DEFAULT_SECONDS
    rate: int = DEFAULT_RATE


class ProfileFrame(Message, frozen=True):
    """A place in the code: ``file`` is an index into ``Profiled.files``, ``line`` 0 where unknown, ``first`` the line
    where the function begins, ``own`` whether it is the app's code (no library's)."""

    file: int
    function: str
    line: int
    first: int
    own: bool


class ProfileStack(Message, frozen=True):
    """All samples of one stack: ``frames`` are indices into ``Profiled.frames``, outermost first.

    ``cpu_us`` is CPU outside the database, ``unknown_us`` time of which nobody knows whether it was CPU or waiting.
    """

    frames: tuple[int, ...]
    samples: int
    wall_us: int
    cpu_us: int
    sql_us: int
    unknown_us: int


class Profiled(Message, frozen=True, tag="profiled"):
    """The profile of one worker.

    ``seconds`` it took; ``ticks`` were taken and ``missed`` came too late and were left out (the tick that came stands
    for their time, too); ``samples`` stacks were seen, of ``requests`` requests; ``finished`` requests of the endpoint
    ended meanwhile, sampled or not. ``dropped`` samples of ``dropped_us`` were beyond the bounds and are in no stack.
    ``sampler_us`` is the CPU that sampling itself took. ``unseen`` says in words what such a profile cannot see here.
    """

    seconds: float
    rate: int
    ticks: int
    missed: int
    samples: int
    requests: int
    finished: int
    dropped: int
    dropped_us: int
    sampler_us: int
    files: tuple[str, ...]
    frames: tuple[ProfileFrame, ...]
    stacks: tuple[ProfileStack, ...]
    unseen: tuple[str, ...] = ()


def stage(samples: int, requests: int) -> str:
    """How far a profile is, as ``Working.stage``.

    >>> stage(412, 1), samples_in(stage(412, 1)), samples_in("starting")
    ('412 samples of 1 request', 412, 0)
    """
    return f"{samples} sample{'' if samples == 1 else 's'} of {requests} request{'' if requests == 1 else 's'}"


def samples_in(said: str) -> int:
    """The number of samples in what ``stage`` said; 0 in anything else."""
    number = said.partition(" ")[0]
    return int(number) if number.isdecimal() and len(number) < 12 else 0
