"""Profiling an endpoint on all its workers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from flasktop.client.ask import A, OnWorking
from flasktop.client.patience import patiently
from flasktop.errors import FlasktopError
from flasktop.protocol.commands import Command, Working
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint, samples_in
from flasktop.protocol.events import WorkerId

PATIENCE_S: Final = 8.0
"""For so long a person's profile waits for the one that a finding's evidence, or another reader, takes: a worker takes
one at a time, and evidence has it for 5 s."""


class Asking(Protocol):
    """Whoever can ask a worker: ``flasktop.client.watch.Watcher``."""

    async def ask(
        self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None
    ) -> A: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the workers answered: the profiles of those that did, and why the others did not."""

    profiles: tuple[Profiled, ...]
    failures: tuple[tuple[WorkerId, FlasktopError], ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a profile is: ``samples`` that all workers together have taken, how many workers have ``begun``, and how
    many are waited for (``waiting``), since they are busy with another profile."""

    samples: int
    begun: int
    waiting: int


OnProgress = Callable[[Standing], None]


async def profile(
    source: Asking,
    workers: Sequence[tuple[WorkerId, tuple[int, ...]]],
    seconds: float,
    rate: int,
    on_progress: OnProgress | None = None,
    *,
    patience_s: float = 0.0,
) -> Outcome:
    """Sample an endpoint on ``workers`` (each with its own ids of it) at the same time.

    One that is busy with another profile is waited for, for ``patience_s`` at most. Cancelling this task cancels it in
    all of them.
    """
    samples: dict[WorkerId, int] = {}
    waiting: set[WorkerId] = set()

    def tell() -> None:
        if on_progress is not None:
            on_progress(Standing(sum(samples.values()), len(samples), len(waiting)))

    async def one(worker: WorkerId, ids: tuple[int, ...]) -> Profiled | FlasktopError:
        def working(said: Working) -> None:
            waiting.discard(worker)
            samples[worker] = samples_in(said.stage)
            tell()

        def busy() -> None:
            waiting.add(worker)
            tell()

        command = ProfileEndpoint(ids, seconds, rate)
        try:
            return await patiently(lambda: source.ask(worker, command, Profiled, working), patience_s, busy)
        except FlasktopError as error:
            waiting.discard(worker)
            tell()
            return error

    answers = await asyncio.gather(*(one(worker, ids) for worker, ids in workers))
    told = list(zip(workers, answers, strict=True))
    return Outcome(
        tuple(answer for answer in answers if isinstance(answer, Profiled)),
        tuple((worker, answer) for (worker, _), answer in told if isinstance(answer, FlasktopError)),
    )


def silence(finished: int, seconds: float) -> str:
    """Why a profile has no samples, in a sentence or two."""
    if not finished:
        return f"No request of it ran in these {seconds:.0f} s."
    requests = "1 request of it" if finished == 1 else f"{finished:,} requests of it"
    return f"{requests} ran in these {seconds:.0f} s, too short to be caught by a sample."
