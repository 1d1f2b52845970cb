"""Who holds an object: shortest paths from the roots. (Soon.)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flasktop.agent.commands.job import CommandError

if TYPE_CHECKING:
    from flasktop.agent.heap.weigh import Weighing
    from flasktop.protocol.commands.heap import HeapHeld, HeapPaths


def held(weighing: Weighing, asked: HeapPaths, *, values: bool) -> HeapHeld:
    raise CommandError("Paths are not there yet.")
