"""What ``h`` and ``m`` do, in the panels and on the screens of the heap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flasktop.protocol.commands import IMPOSSIBLE
from flasktop.protocol.events import WorkerId
from flasktop.stats.heaps import Take
from flasktop.stats.views import WorkerRow
from flasktop.tui.heaps import Trouble
from flasktop.tui.screens.confirm import ConfirmScreen
from flasktop.units import clock

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp

TWICE_S: Final = 1.0
"""A second ``h`` this soon is a key held too long, and stops nothing."""

INSTEAD: Final = "in the running process instead"
"""What the hint of a refusal says where the worker itself can be weighed, and for how long that stops it."""


def take_heap(app: FlasktopApp, row: WorkerRow) -> None:
    """Take the heap of a worker in the background; where a take is under way: stop it."""
    desk, worker = app.heaps, row.worker
    underway, trouble = desk.underway(worker), desk.trouble(worker)
    if underway is not None:
        if app.clock() - underway.since >= TWICE_S and desk.stop(worker):
            app.say(f"Stopped taking the heap of worker {worker.pid}. h takes it again.")
    elif row.state in ("gone", "died"):
        app.say(f"Worker {worker.pid} has ended, and its heap with it.", warn=True)
    elif trouble is not None and offers_in_process(trouble):
        _ask_in_process(app, row, trouble)
    else:
        desk.take(worker)
        if app.feed.frozen:
            app.say("Taking the heap; the picture is frozen: space lets it go on.")


def mark_heap(app: FlasktopApp, worker: WorkerId, take: Take | None) -> None:
    """Compare later takes with this one; where it is marked: no longer; where there is none: with one taken now."""
    desk = app.heaps
    marked = desk.heaps.marked(worker)
    if take is None:
        desk.take(worker, mark=True)
        app.say(f"The heap of worker {worker.pid} is taken now and marked: later takes are compared with it.")
    elif marked is not None and marked.number == take.number:
        desk.heaps.mark(worker, None)
        app.say("Not marked any more: each take is compared with the one before it.")
    else:
        desk.heaps.mark(worker, take.number)
        app.say(f"Marked: later takes of worker {worker.pid} are compared with {clock(take.taken.taken_at)}.")
    app.show_now()


def offers_in_process(trouble: Trouble) -> bool:
    """Whether a refusal leaves weighing the worker itself, while it stands still."""
    return trouble.reason == IMPOSSIBLE and INSTEAD in trouble.hint


def _ask_in_process(app: FlasktopApp, row: WorkerRow, trouble: Trouble) -> None:
    def answered(yes: bool | None) -> None:
        if yes:
            app.heaps.take(row.worker, in_process=True)

    title = f"Take the heap of worker {row.worker.pid} in process? It answers nothing meanwhile."
    app.push_screen(ConfirmScreen(title, (trouble.message, trouble.hint), "take it"), answered)
