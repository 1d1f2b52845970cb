"""What ``t`` and ``o`` do, in the Heap panel and on the screens of a heap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flasktop.protocol.events import WorkerId

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp


def trace_allocations(app: FlasktopApp, worker: WorkerId) -> None:
    """Say what tracing the allocations of a worker costs, and ask."""
    from flasktop.tui.detail.allocations import AllocationsScreen

    app.push_screen(AllocationsScreen(worker))


def count_objects(app: FlasktopApp, worker: WorkerId) -> None:
    """Count the objects of a worker by type."""
    from flasktop.tui.detail.types import TypesScreen

    app.push_screen(TypesScreen(worker))
