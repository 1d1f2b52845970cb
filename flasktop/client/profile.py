"""Profiling an endpoint on all its workers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flasktop.client.ask import A, OnWorking
from flasktop.errors import FlasktopError
from flasktop.protocol.commands import Command, Working
from flasktop.protocol.commands.profile import Profiled, ProfileEndpoint, samples_in
from flasktop.protocol.events import WorkerId


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


OnSamples = Callable[[int], None]
"""Called with the number of samples that all workers together have taken so far."""


async def profile(
    source: Asking,
    workers: Sequence[tuple[WorkerId, tuple[int, ...]]],
    seconds: float,
    rate: int,
    on_samples: OnSamples | None = None,
) -> Outcome:
    """Sample an endpoint on ``workers`` (each with its own ids of it) at the same time.

    Cancelling this task cancels it in all of them.
    """
    samples: dict[WorkerId, int] = {}

    async def one(worker: WorkerId, ids: tuple[int, ...]) -> Profiled | FlasktopError:
        def working(said: Working) -> None:
            samples[worker] = samples_in(said.stage)
            if on_samples is not None:
                on_samples(sum(samples.values()))

        try:
            return await source.ask(worker, ProfileEndpoint(ids, seconds, rate), Profiled, working)
        except FlasktopError as error:
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
