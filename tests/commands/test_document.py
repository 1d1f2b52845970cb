"""The snapshot's JSON object."""

from __future__ import annotations

from flasktop.client.collect import Collected
from flasktop.commands.document import document
from flasktop.protocol.events import Joined, StateChanged, WorkerId
from flasktop.stats.store import Store
from tests.stats.builders import make_hello


def _workers(*, killed: tuple[int, ...], alive: tuple[int, ...]) -> list[int]:
    store = Store()
    for pid in (*killed, *alive):
        store.apply(Joined(WorkerId(pid, 1), make_hello(pid=pid), 0.0))
        store.apply(StateChanged(WorkerId(pid, 1), "died" if pid in killed else "live", 100.0))
    collected = Collected(store, None, (), (), (), ())
    return [worker["pid"] for worker in document(collected, 100.0)["workers"]]


def test_a_worker_that_died_is_not_among_the_workers_whose_counts_are_shown() -> None:
    """Its requests in flight are told under ``died``; its counts are in none of the rows."""
    assert _workers(killed=(7,), alive=(8, 9)) == [8, 9]


def test_without_a_running_worker_the_ended_ones_are_shown() -> None:
    """A black box is worth reading when nothing else is left."""
    assert _workers(killed=(7,), alive=()) == [7]
