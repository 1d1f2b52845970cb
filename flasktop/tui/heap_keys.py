"""What ``h`` and ``m`` do, in the panels and on the screens of the heap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flasktop.protocol.commands import IMPOSSIBLE
from flasktop.protocol.events import WorkerId
from flasktop.stats.heaps import Take
from flasktop.stats.views import WorkerRow
from flasktop.tui.draw.units import bytes_, clock, duration
from flasktop.tui.heaps import Trouble
from flasktop.tui.screens.confirm import ConfirmScreen

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp

TWICE_S: Final = 1.0
"""A second ``h`` this soon is a key held too long, and stops nothing."""

GUPPY_BYTES_A_SECOND: Final = 388e6 / 2.2
"""What guppy weighs in process. Source: measured once, 5 M objects in 388 MB took 2.2 s."""


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
    return trouble.reason == IMPOSSIBLE and "in process" in f"{trouble.message} {trouble.hint}"


def _ask_in_process(app: FlasktopApp, row: WorkerRow, trouble: Trouble) -> None:
    def answered(yes: bool | None) -> None:
        if yes:
            app.heaps.take(row.worker, in_process=True)

    app.push_screen(
        ConfirmScreen(
            f"Take the heap of worker {row.worker.pid} in process?",
            (trouble.message, standstill(row.rss_bytes)),
            "take it",
        ),
        answered,
    )


def standstill(rss_bytes: int | None) -> str:
    """How long the app will stand still for a take in process."""
    if rss_bytes is None:
        return "The app answers nothing meanwhile: for seconds, with a large heap."
    seconds = max(1.0, rss_bytes / GUPPY_BYTES_A_SECOND)
    return (
        f"The worker answers nothing meanwhile: about {duration(seconds)} with its {bytes_(rss_bytes)}, "
        "longer where the machine is busy."
    )
