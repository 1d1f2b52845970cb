"""How much memory there is left for a copy of this process: of the host's, and of every control group it is in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flasktop.agent.commands.job import CommandError

COPY_FACTOR: Final = 1.6
"""A copy being weighed needs about so many times the RSS of the process: nearly every page of it is written to
(reference counts), and guppy3 needs memory for its sets and for attribute dictionaries that Python had not made yet."""
COPY_BASE: Final = 32 * 1024 * 1024
PROC: Final = Path("/proc")
GROUPS: Final = Path("/sys/fs/cgroup")
UNLIMITED: Final = 1 << 60
"""Control groups of version 1 have a limit even where they have none: some number beyond this one."""


@dataclass(frozen=True, slots=True)
class Room:
    """``bytes`` are left in ``place`` (words); ``whole_group``: who runs out there is killed with all of the group."""

    bytes: int
    place: str
    whole_group: bool = False


def rss_bytes(proc: Path = PROC) -> int:
    """The resident memory of this process."""
    return int((proc / "self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def needed_bytes(rss: int) -> int:
    """What a copy of a process of ``rss`` bytes may need."""
    return int(rss * COPY_FACTOR) + COPY_BASE


def check_headroom(rss: int, proc: Path = PROC, groups: Path = GROUPS) -> None:
    """Make sure that there is memory for a copy of this process of ``rss`` bytes.

    Raises:
        CommandError: there is not; says how much is needed, and how much there is where.
    """
    needed = needed_bytes(rss)
    tightest = min(rooms(proc, groups), key=lambda room: room.bytes, default=None)
    if tightest is None or tightest.bytes >= needed:
        return
    fate = " Running out there would kill the whole group (memory.oom.group)." if tightest.whole_group else ""
    raise CommandError(
        f"There is too little memory for a copy of this worker: it needs up to {_mb(needed)} "
        f"({COPY_FACTOR} times its RSS while it is weighed), and {tightest.place} has "
        f"{_mb(tightest.bytes)} left.{fate}",
        "Free some memory or raise the limit, or ask a smaller worker.",
    )


def rooms(proc: Path = PROC, groups: Path = GROUPS) -> list[Room]:
    """What is left on the host and in each limited group around this process, as far as it is told."""
    found = [_host(proc)]
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += [_room_v2(folder) for folder in _upwards(_unified(groups), path)]
        elif "memory" in controllers.split(","):
            found += [_room_v1(folder) for folder in _upwards(groups / "memory", path)]
    return [room for room in found if room is not None]


def _host(proc: Path) -> Room | None:
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return None
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return Room(available[0], "the host") if available else None


def _unified(groups: Path) -> Path:
    """Where version 2 is mounted: beside version 1 it has a folder of its own."""
    return groups / "unified" if (groups / "unified").is_dir() else groups


def _upwards(top: Path, path: str) -> list[Path]:
    """The folder of a group and those around it. A container may not see the path that it is told: then the top."""
    folder = top / path.lstrip("/")
    while not folder.is_dir() and folder != top:
        folder = folder.parent
    around = [folder]
    while folder != top:
        folder = folder.parent
        around.append(folder)
    return around


def _room_v2(folder: Path) -> Room | None:
    limits = [limit for name in ("memory.max", "memory.high") if (limit := _number(folder / name)) is not None]
    used = _number(folder / "memory.current")
    if not limits or used is None:
        return None
    left = min(limits) - used + _reclaimable(folder, "inactive_file")
    return Room(max(left, 0), f"its control group {folder.name}", _number(folder / "memory.oom.group") == 1)


def _room_v1(folder: Path) -> Room | None:
    limit, used = _number(folder / "memory.limit_in_bytes"), _number(folder / "memory.usage_in_bytes")
    if limit is None or used is None or limit >= UNLIMITED:
        return None
    left = limit - used + _reclaimable(folder, "total_inactive_file")
    return Room(max(left, 0), f"its control group {folder.name}")


def _reclaimable(folder: Path, field: str) -> int:
    """Cached file pages, which the kernel gives up before anybody is killed."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [field]), 0)


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none ("max", or no file)."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
