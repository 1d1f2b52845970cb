"""When a worker is not copied, and what is said then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from flasktop.agent.commands.job import CommandError
from flasktop.agent.heap import headroom, support
from flasktop.client.ask import CommandFailedError
from flasktop.protocol.commands import IMPOSSIBLE, NOT_GRANTED
from flasktop.protocol.commands.heap import HeapTaken, TakeHeap
from tests.agent.heap.conftest import Start, Worker

MB = 1_000_000


def refusal(worker: Worker) -> CommandFailedError:
    with pytest.raises(CommandFailedError) as refused:
        worker.take()
    assert worker.copies == []
    return refused.value


def test_without_the_grant_nothing_is_taken(start: Start) -> None:
    error = refusal(start(FLASKTOP_GRANTS="stacks"))

    assert error.reason == NOT_GRANTED


def test_without_memory_nothing_is_taken_and_the_other_way_has_its_price(start: Start) -> None:
    worker = start("flasktop.agent.heap.headroom:COPY_FACTOR=1000000")
    error = refusal(worker)

    assert error.reason == IMPOSSIBLE and "too little memory" in error.message and "the host has" in error.message
    assert "in the running process" in error.hint and "stands still for about" in error.hint
    taken = worker.ask(TakeHeap(in_process=True), HeapTaken)
    assert (taken.take, worker.copies) == (-1, [])
    assert taken.objects > 50_000 and taken.pause_us > 10_000
    assert any("running calls" in one for one in taken.unseen)
    with pytest.raises(CommandFailedError, match="just now"):
        worker.ask(TakeHeap(in_process=True), HeapTaken)


def test_a_kernel_without_close_range_is_told(start: Start) -> None:
    """A number that no kernel knows stands for the system call."""
    error = refusal(start("flasktop.agent.heap.support:CLOSE_RANGE=100000"))

    assert error.reason == IMPOSSIBLE and "no close_range" in error.message
    assert "in the running process" in error.hint


def test_beside_a_library_that_starts_threads_at_a_fork_nothing_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ddtrace's threads would start with the forking thread's descriptors, in the app's process."""
    monkeypatch.setitem(sys.modules, "ddtrace.internal.threads", sys)
    with pytest.raises(CommandError, match="ddtrace starts threads"):
        support.check_forking()


def test_without_guppy3_is_told_what_to_install(start: Start) -> None:
    error = refusal(start("sys.modules:guppy=None"))

    assert error.reason == IMPOSSIBLE and "pip install guppy3" in error.hint


def test_a_fork_that_the_system_refuses_is_told(start: Start) -> None:
    """Descriptors from such a number on cannot be had."""
    error = refusal(start("flasktop.agent.heap.fork:HIGH=2000000000", "flasktop.agent.heap.fork:BELOW_LIMIT=-100"))

    assert error.reason == IMPOSSIBLE and "did not let this worker be copied" in error.message


def system(folder: Path, available: int, line: str) -> Path:
    """A /proc of which the tests know what it says."""
    proc = folder / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self/statm").write_text("1 25000 1 1 0 1 0\n")
    (proc / "self/cgroup").write_text(line)
    (proc / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable: {available // 1024} kB\n")
    return proc


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def refused(rss: int, proc: Path, groups: Path) -> str:
    with pytest.raises(CommandError) as error:
        headroom.check_headroom(rss, proc, groups)
    return error.value.message


def test_the_hosts_memory_counts(tmp_path: Path) -> None:
    proc = system(tmp_path, 1000 * MB, "0::/\n")

    headroom.check_headroom(500 * MB, proc, tmp_path / "none")
    assert "up to 1,154 MB" in refused(700 * MB, proc, tmp_path / "none")
    assert headroom.rss_bytes(proc) == 25000 * os.sysconf("SC_PAGE_SIZE")


def test_the_tightest_group_of_version_2_counts(tmp_path: Path) -> None:
    proc, groups = system(tmp_path, 10**11, "0::/apps/shop\n"), tmp_path / "cgroup"
    group(groups / "apps", memory__max=2000 * MB, memory__current=1500 * MB, memory__oom__group=1)
    group(groups / "apps/shop", memory__max="max", memory__current=300 * MB)

    headroom.check_headroom(280 * MB, proc, groups)
    said = refused(300 * MB, proc, groups)
    assert "its control group apps has 500 MB left" in said and "kill the whole group" in said


def test_cached_files_count_as_free(tmp_path: Path) -> None:
    proc, groups = system(tmp_path, 10**11, "0::/shop\n"), tmp_path / "cgroup"
    group(groups / "shop", memory__max=1000 * MB, memory__current=900 * MB, memory__high="max")
    assert "kill the whole group" not in refused(300 * MB, proc, groups)
    group(groups / "shop", memory__stat=f"anon 1\ninactive_file {500 * MB}")

    headroom.check_headroom(300 * MB, proc, groups)


def test_groups_of_version_1_count(tmp_path: Path) -> None:
    proc = system(tmp_path, 10**11, "7:cpu,memory:/docker/abc\n1:name=systemd:/x\n")
    groups = tmp_path / "cgroup"
    group(groups / "memory", memory__limit_in_bytes=1 << 62, memory__usage_in_bytes=1)
    headroom.check_headroom(10**10, proc, groups)
    group(groups / "memory/docker", memory__limit_in_bytes=100 * MB, memory__usage_in_bytes=50 * MB)

    assert "control group docker has 50 MB left" in refused(50 * MB, proc, groups), "a path that cannot be seen"


def test_a_system_that_tells_nothing_refuses_nothing(tmp_path: Path) -> None:
    headroom.check_headroom(10**12, tmp_path, tmp_path)
