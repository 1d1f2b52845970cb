"""Work that begins when its worker does."""

from __future__ import annotations

import asyncio
import gc
import warnings

from textual.app import App

from flasktop.tui.deferred import deferred


class Twice(App[None]):
    """Gives a worker something to do, and at once something else."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[int] = []

    def on_mount(self) -> None:
        for number in (1, 2):
            self.run_worker(deferred(self._do, number), exclusive=True)

    async def _do(self, number: int) -> None:
        self.done.append(number)


def test_what_is_replaced_before_it_begins_leaves_nothing_behind() -> None:
    app = Twice()

    async def visit() -> None:
        async with app.run_test():
            await app.workers.wait_for_complete([worker for worker in app.workers if not worker.is_cancelled])

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(visit())
        gc.collect()

    assert app.done == [2]
    assert [str(one.message) for one in said if "never awaited" in str(one.message)] == []
