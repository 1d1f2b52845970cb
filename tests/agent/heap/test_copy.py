"""The life of the frozen copy: born with nothing of the app's, harmless, and gone when it should be."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from flasktop.agent.heap.session import LOOK_S
from flasktop.client.ask import CommandFailedError, ask
from flasktop.protocol.commands import BUSY, GONE, IMPOSSIBLE, TIMED_OUT, Working
from flasktop.protocol.commands.heap import DropHeap, HeapDropped, HeapPart, HeapTaken, TakeHeap, WalkHeap
from tests.agent.heap.conftest import Start, Worker
from tests.agent.support import until

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="frozen copies are made on Linux only")


def status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(value, 16)


def bit(number: int) -> int:
    return 1 << (number - 1)


HANGING = """
import os, time
from _socket import socketpair
from flasktop.agent.heap.fork import fork

(channel, theirs), (stay, held) = socketpair(), os.pipe()
pid, _ = fork(lambda channel, lifeline: time.sleep(600), theirs.fileno(), stay)
print(pid, flush=True)
time.sleep(600)
"""

TAKING = """
import asyncio, sys, time
from pathlib import Path
from flasktop.agent.heap.session import LOOK_S
from flasktop.client.ask import Address, ask
from flasktop.protocol.commands.heap import HeapTaken, TakeHeap

address = Address(Path(sys.argv[1]), int(sys.argv[2]), None)
print(asyncio.run(ask(address, TakeHeap(), HeapTaken)).take, flush=True)
time.sleep(600)
"""


def taking_reader(worker: Worker) -> subprocess.Popen[str]:
    """A reader in a process of its own, which has taken the first heap."""
    where = [str(worker.address.socket), str(worker.address.owner)]
    reader = subprocess.Popen([sys.executable, "-c", TAKING, *where], stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None and reader.stdout.readline() == "1\n"
    return reader


def refusal(worker: Worker, command: TakeHeap | WalkHeap) -> CommandFailedError:
    with pytest.raises(CommandFailedError) as refused:
        worker.ask(command, HeapTaken if isinstance(command, TakeHeap) else HeapPart)
    return refused.value


def test_a_take_says_what_it_is(worker: Worker) -> None:
    taken = worker.take()

    assert (taken.take, taken.pid, taken.requests) == (1, worker.pid, 1)
    assert taken.objects > 50_000 and 0 < taken.bytes < 4 * taken.rss_bytes
    assert taken.pause_us > 0 and taken.seconds > 0
    assert sum(row.count for row in taken.by_type) == taken.objects
    assert sum(row.bytes for row in taken.by_type) == taken.bytes
    assert [row.index for row in taken.by_type] == list(range(taken.types))
    assert any("thread-local" in one for one in taken.unseen)
    assert any("keys of a dictionary" in one for one in taken.unseen)


def test_stages_are_told_and_the_second_take_is_estimated(worker: Worker) -> None:
    said: list[Working] = []
    worker.ask(TakeHeap(), HeapTaken, said.append)
    assert {"loading guppy3", "freezing a copy", "walking all objects", "dividing them by type"} <= {
        one.stage for one in said
    }
    assert all(one.expected_s == -1 for one in said)
    again: list[Working] = []
    worker.ask(TakeHeap(), HeapTaken, again.append)

    assert again[-1].expected_s > 0


def test_the_copy_is_born_without_the_apps_descriptors(worker: Worker) -> None:
    worker.take()
    folder = Path(f"/proc/{worker.copy().pid}/fd")
    links = {int(one.name): os.readlink(one) for one in folder.iterdir()}

    assert {links.pop(standard) for standard in (0, 1, 2)} == {os.devnull}
    assert sorted(link.partition(":")[0] for link in links.values()) == ["pipe", "socket"]
    assert min(links) > 500
    apps = {os.readlink(one) for one in Path(f"/proc/{worker.pid}/fd").iterdir()}
    assert {link for link in links.values() if link.startswith("socket")} & apps == set()


def test_the_copy_is_harmless(start: Start) -> None:
    worker = start()
    worker.take()
    copy = worker.copy()

    known = bit(32) - 1  # beyond are the C library's own
    assert status(copy.pid, "SigCgt") & known == bit(signal.SIGUSR1)
    assert status(copy.pid, "SigIgn") & known == status(copy.pid, "SigBlk") & known == 0
    assert copy.nice() == min(psutil.Process(worker.pid).nice() + 10, 19)
    assert Path(f"/proc/{copy.pid}/oom_score_adj").read_text() == "1000\n"
    assert copy.cwd() == "/"
    assert copy.num_threads() == 1


def test_a_copy_that_hangs_before_its_first_line_dies_with_the_worker() -> None:
    """It has said nothing, and nothing of it has run: as when a destructor in the fork waits for a lock for ever."""
    worker = subprocess.Popen([sys.executable, "-c", HANGING], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    copy = psutil.Process(int(worker.stdout.readline()))
    worker.kill()
    worker.communicate()

    copy.wait(10)


@pytest.mark.parametrize("stopped", [False, True])
def test_the_copy_dies_with_a_worker_that_is_killed(worker: Worker, stopped: bool) -> None:
    worker.take()
    copy = worker.copy()
    if stopped:
        copy.suspend()
    worker.process.kill()

    copy.wait(10)


def test_the_copy_goes_when_the_agent_stops_and_no_exit_handler_runs_in_it(worker: Worker) -> None:
    worker.take()
    copy = worker.copy()
    worker.process.communicate("exit\n", timeout=20)

    copy.wait(10)
    assert [path.name for path in worker.scratch.iterdir()] == [f"exit-{worker.pid}"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_copy_that_died_is_told_and_leaves_nothing(worker: Worker, number: signal.Signals) -> None:
    worker.take()
    worker.ask(DropHeap(1), HeapDropped)
    worker.settled()
    before = psutil.Process(worker.pid).num_fds()
    taken = worker.take()
    worker.copy().send_signal(number)
    worker.settled()
    error = refusal(worker, WalkHeap(taken.take, (), "type"))

    assert error.reason == IMPOSSIBLE and f"died of {number.name}" in error.message
    assert worker.take().take == taken.take + 1
    worker.ask(DropHeap(taken.take + 1), HeapDropped)
    until(lambda: psutil.Process(worker.pid).num_fds() <= before)


def test_a_copy_that_dies_at_work_is_told(worker: Worker) -> None:
    worker.take()
    worker.copy().suspend()

    async def kill_while_asking() -> None:
        begun = asyncio.Event()
        asking = asyncio.ensure_future(
            ask(worker.address, WalkHeap(1, (), "referrers"), HeapPart, lambda working: begun.set())
        )
        await asyncio.wait([asking, asyncio.ensure_future(begun.wait())], return_when=asyncio.FIRST_COMPLETED)
        worker.copy().kill()
        await asking

    with pytest.raises(CommandFailedError, match="died of SIGKILL"):
        asyncio.run(kill_while_asking())
    worker.settled()


def test_a_copy_that_hangs_is_ended_and_told(start: Start) -> None:
    worker = start("flasktop.agent.commands.heap:WALK_S=1")
    taken = worker.take()
    worker.copy().suspend()
    error = refusal(worker, WalkHeap(taken.take, (), "type"))

    assert error.reason == TIMED_OUT and "did not answer in time" in error.message
    worker.settled()
    assert refusal(worker, WalkHeap(taken.take, (), "type")).reason == GONE


def test_a_copy_that_is_asked_nothing_ends(start: Start) -> None:
    worker = start("flasktop.agent.heap.child:IDLE_S=0.2")
    taken = worker.take()
    worker.settled()
    error = refusal(worker, WalkHeap(taken.take, (), "type"))

    assert error.reason == GONE and "without a question" in error.message


def test_a_copy_ends_when_the_reader_that_asked_for_it_is_gone(worker: Worker) -> None:
    """However it went: nobody says good-bye here."""
    reader = taking_reader(worker)
    copy = worker.copy()
    reader.kill()
    reader.communicate()

    worker.settled()
    assert not copy.is_running()
    error = refusal(worker, WalkHeap(1, (), "type"))
    assert error.reason == GONE and "who had asked for it left" in error.message


def test_a_copy_stays_while_another_reader_is_on_it(worker: Worker) -> None:
    reader = taking_reader(worker)
    worker.walk(1, "type", limit=1)  # the test's own process is a reader, too
    reader.kill()
    reader.communicate()
    looked_at = time.monotonic() + 3 * LOOK_S
    until(lambda: time.monotonic() > looked_at)

    assert worker.walk(1, "type", limit=1).rows


def test_the_app_runs_between_two_takes(start: Start) -> None:
    """The next one waits, says so, and leaves the copy that is there alone meanwhile."""
    worker = start("flasktop.agent.commands.heap:RESTING=10000000", "flasktop.agent.commands.heap:MOST_REST_S=600")
    worker.take()

    async def wait_and_hang_up() -> None:
        waits = asyncio.Event()

        def told(working: Working) -> None:
            if working.stage == "letting the app run after the last take":
                waits.set()

        asking = asyncio.ensure_future(ask(worker.address, TakeHeap(), HeapTaken, told))
        await asyncio.wait_for(waits.wait(), 60)
        asking.cancel()

    asyncio.run(wait_and_hang_up())
    assert worker.walk(1, "type", limit=1).rows


def test_no_copy_lives_for_ever(start: Start) -> None:
    worker = start("flasktop.agent.heap.child:LIFE_S=0.5", "flasktop.agent.heap.child:IDLE_S=100")
    with suppress(CommandFailedError):  # on a slow machine it ends before it has been weighed
        worker.take()

    worker.settled()


def test_a_request_that_takes_too_long_ends_the_copy_by_itself(start: Start) -> None:
    worker = start("flasktop.agent.heap.child:REQUEST_S=0.01")
    error = refusal(worker, TakeHeap())

    assert error.reason == IMPOSSIBLE and "it took too long" in error.message
    worker.settled()


def test_hanging_up_while_it_is_taken_ends_the_copy(worker: Worker) -> None:
    async def hang_up() -> None:
        begun = asyncio.Event()

        def frozen(working: Working) -> None:
            if working.stage == "walking all objects":
                worker.copy().suspend()
                begun.set()

        asking = asyncio.ensure_future(ask(worker.address, TakeHeap(), HeapTaken, frozen))
        await begun.wait()
        asking.cancel()

    asyncio.run(hang_up())
    worker.settled()
    assert worker.take().take == 2


def test_hanging_up_on_a_walk_leaves_the_copy_for_the_next_question(worker: Worker) -> None:
    taken = worker.take()
    copy = worker.copy()

    async def hang_up() -> None:
        asking = asyncio.ensure_future(ask(worker.address, WalkHeap(1, (), "referrers"), HeapPart))
        await asyncio.sleep(0.1)  # some way into it
        asking.cancel()

    asyncio.run(hang_up())

    part = worker.walk(taken.take, "referrers", limit=1000)
    assert part.count == taken.objects and abs(part.bytes - taken.bytes) < 8192
    assert worker.copy() == copy


def test_one_take_at_a_time(worker: Worker) -> None:
    async def two() -> str:
        begun = asyncio.Event()

        def frozen(working: Working) -> None:
            if working.stage == "walking all objects" and not begun.is_set():
                worker.copy().suspend()
                begun.set()

        first = asyncio.ensure_future(ask(worker.address, TakeHeap(), HeapTaken, frozen))
        await begun.wait()
        with pytest.raises(CommandFailedError) as refused:
            await ask(worker.address, TakeHeap(), HeapTaken)
        worker.copy().resume()
        await first
        return refused.value.reason

    assert asyncio.run(two()) == BUSY


def test_the_next_take_replaces_the_copy(worker: Worker) -> None:
    first, second = worker.take(), worker.take()

    assert (first.take, second.take) == (1, 2)
    assert len(worker.copies) == 1
    error = refusal(worker, WalkHeap(1, (), "type"))
    assert error.reason == GONE and "newer" in error.message


def test_a_copy_is_dropped(worker: Worker) -> None:
    worker.take()
    worker.ask(DropHeap(1), HeapDropped)

    worker.settled()
    assert refusal(worker, WalkHeap(1, (), "type")).reason == GONE
    worker.ask(DropHeap(1), HeapDropped)  # and once more is no error


@pytest.mark.timeout(600)
def test_fifty_takes_leave_nothing_behind(worker: Worker) -> None:
    process = psutil.Process(worker.pid)
    worker.ask(DropHeap(worker.take().take), HeapDropped)
    worker.settled()
    until(lambda: process.num_threads() <= 3)
    before = process.num_fds(), process.num_threads()
    for _ in range(50):
        worker.take()
    worker.ask(DropHeap(51), HeapDropped)
    worker.settled()

    until(lambda: (process.num_fds(), process.num_threads()) <= before)


def test_a_worker_that_the_app_forks_has_none_of_our_descriptors(worker: Worker) -> None:
    before = worker.tell("fork").split()
    worker.take()
    after = worker.tell("fork").split()

    assert len(after) == len(before)


def test_copies_under_load_keep_no_frame_of_the_app(worker: Worker) -> None:
    """The frames held for the copy are let go in the worker: its in-process heap shows none of the call's rows."""
    worker.take()
    seen = worker.ask(TakeHeap(in_process=True), HeapTaken)

    assert seen.take == -1
    assert not [row for row in seen.by_type if row.name.endswith(".Local")]
