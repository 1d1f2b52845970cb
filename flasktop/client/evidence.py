"""Fetching what rules need to know: each kind of evidence is one function here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from flasktop.client.ask import A, CommandFailedError
from flasktop.client.patience import patiently
from flasktop.client.profile import Asking, profile, silence
from flasktop.client.sources import read_source
from flasktop.errors import FlasktopError, NotRunningError
from flasktop.findings.calls import on_line
from flasktop.findings.evidence import (
    Calls,
    CallsNeed,
    EvidenceBook,
    Need,
    PlanNeed,
    ShapeNeed,
    StackNeed,
    TrialNeed,
    Unavailable,
)
from flasktop.findings.sql.shape import shape
from flasktop.findings.sql.verdict import command, verdict
from flasktop.protocol.commands import GONE, Command
from flasktop.protocol.commands.explain import Explain, Planned
from flasktop.protocol.commands.index import IndexTried
from flasktop.protocol.events import WorkerId
from flasktop.stats.calltree import merge
from flasktop.stats.plans import parse
from flasktop.stats.store import Store
from flasktop.stats.views import StatementKey, Window
from flasktop.units import plural

ATTEMPTS: Final = 4
"""Workers that are asked in turn, where one no longer knows the statement."""

SAMPLE_S: Final = 5.0
SAMPLE_HZ: Final = 40
"""How long and how often stacks are sampled for a rule: enough for the commonest line, and cheap."""

PLAN_PATIENCE_S: Final = 1.2
"""For so long a worker that is busy with another reader's plan is asked again."""

LEAST_SAMPLES: Final = 10
"""Fewer samples tell nothing yet; they are taken again after a while."""

AT_ONCE: Final = 2
"""Pieces of evidence that are fetched at the same time, beside one profile: a worker takes one at a time."""


class EvidenceFetcher:
    """Fetches evidence from the workers of a store into ``book``. ``clock`` is the reader's, in seconds."""

    def __init__(self, store: Store, source: Asking, clock: Callable[[], float]) -> None:
        self.book = EvidenceBook()
        self.faults: dict[str, str] = {}
        """Faults of ours while fetching, in words, by the kind of evidence: they are shown, and the screen goes on."""
        self._store, self._source, self._clock = store, source, clock
        self._underway: set[Need] = set()
        self._planning = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether something is being fetched."""
        return bool(self._underway)

    def due(self, needs: tuple[Need, ...], *, samples_at_once: int = 1) -> tuple[Need, ...]:
        """Those of ``needs`` that may be fetched now: not known, not under way, and not too many at once (of profiles
        ``samples_at_once``: none while a person takes one)."""
        now = self._clock()
        due = [need for need in needs if need not in self._underway and self.book.wanted(need, now)]
        samples, others = _apart(due)
        sampling, fetching = map(len, _apart(self._underway))
        return (*samples[: max(samples_at_once - sampling, 0)], *others[: max(AT_ONCE - fetching, 0)])

    async def fetch(self, need: Need) -> None:
        """Fetch one piece of evidence; why there is none is evidence, too."""
        if need in self._underway:
            return
        self._underway.add(need)
        try:
            found = await _FETCH[type(need)](self, need)
        except FlasktopError as error:
            reason = error.reason if isinstance(error, CommandFailedError) else ""
            found = Unavailable(error.message, error.hint or "", reason)
        except Exception as error:  # noqa: BLE001 - a fault of ours takes neither the screen nor the other rules with it
            kind = type(need).__name__
            self.faults[kind] = f"Evidence could not be fetched ({kind}): {type(error).__name__}: {error}"
            found = Unavailable(self.faults[kind])
        finally:
            self._underway.discard(need)
        self.book.put(need, found, self._clock())

    async def plan(self, need: PlanNeed) -> object:
        """The plan of a statement, from the first worker that can make it."""
        answer = await self._first(need.statement, Explain, Planned)
        return parse(answer.dialect, answer.plan)

    async def shape(self, need: ShapeNeed) -> object:
        """What a statement's text says; no worker is asked."""
        found = await asyncio.to_thread(shape, need.text, need.dialect)
        return found or Unavailable("flasktop does not understand this statement.")

    async def trial(self, need: TrialNeed) -> object:
        """What an index would change, from the first worker that can try it."""
        tried = await self._first(need.statement, lambda number: command(need.candidate, number), IndexTried)
        return verdict(tried, need.candidate)

    async def _first(self, statement: StatementKey, ask: Callable[[int], Command], answer: type[A]) -> A:
        """The answer of the first worker that knows a statement well enough.

        Raises:
            FlasktopError: none does; says what the last one said.
        """
        failure: FlasktopError = NotRunningError("No worker that ran this statement is alive.", "")
        known = [(w, number) for w, numbers in self._store.local_ids(statement) for number in reversed(numbers)]
        for worker, number in known[:ATTEMPTS]:
            async with self._planning:  # a worker makes one plan at a time
                found = await self._asked(worker, ask(number), answer)
            if isinstance(found, answer):
                return found
            assert isinstance(found, FlasktopError)
            failure = found
        raise failure

    async def _asked(self, worker: WorkerId, command: Command, answer: type[A]) -> A | FlasktopError:
        """What one worker says; an error is returned where another one may do better, and raised where not."""
        try:
            return await patiently(lambda: self._source.ask(worker, command, answer), PLAN_PATIENCE_S)
        except NotRunningError as error:
            return error
        except CommandFailedError as error:
            if error.reason != GONE:
                raise
            return error

    async def stacks(self, need: StackNeed) -> object:
        """Where the requests of an endpoint are, sampled in all its workers for some seconds."""
        workers = self._store.local_ids(need.endpoint)
        if not workers:
            raise NotRunningError("No worker that serves this endpoint is alive.", "")
        outcome = await profile(self._source, workers, SAMPLE_S, SAMPLE_HZ)
        merged = merge(outcome.profiles, f"{need.endpoint.method} {need.endpoint.route}")
        if not outcome.profiles:
            raise outcome.failures[0][1]
        if not merged.samples:
            return Unavailable(silence(merged.finished, merged.seconds))
        if merged.samples < LEAST_SAMPLES:
            return Unavailable(f"Its requests were caught by {plural(merged.samples, 'sample')} only.")
        return merged

    async def calls(self, need: CallsNeed) -> object:
        """What a line calls, from the file on this machine: where it is the one that the workers run."""
        rows = self._store.workers(self._clock(), Window.ALL)
        started = [row.started_at for row in rows if row.state == "live" and row.started_at is not None]
        text = read_source(need.file, min(started, default=None))
        return Calls(await asyncio.to_thread(on_line, text, need.line))


def _apart(needs: Iterable[Need]) -> tuple[list[Need], list[Need]]:
    """Profiles, and the other needs."""
    samples: list[Need] = []
    others: list[Need] = []
    for need in needs:
        (samples if isinstance(need, StackNeed) else others).append(need)
    return samples, others


_FETCH: Final[dict[type, Callable[[EvidenceFetcher, Any], Awaitable[object]]]] = {
    PlanNeed: EvidenceFetcher.plan,
    StackNeed: EvidenceFetcher.stacks,
    ShapeNeed: EvidenceFetcher.shape,
    TrialNeed: EvidenceFetcher.trial,
    CallsNeed: EvidenceFetcher.calls,
}
"""How each kind is fetched."""
