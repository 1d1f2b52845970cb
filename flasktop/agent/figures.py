"""What the system says of this process: on Linux read from ``/proc``, elsewhere asked through psutil.

psutil would do on Linux, too, but loading it takes an app 7 ms and half a megabyte, for five numbers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, Protocol

from flasktop.protocol.records import UNKNOWN
from flasktop.rendezvous import process_created

_ROLLUP: Final = Path("/proc/self/smaps_rollup")
"""There since Linux 4.14."""
_UNSHARED: Final = frozenset({b"Private_Clean:", b"Private_Dirty:", b"Private_Hugetlb:"})
_THREADS: Final = 17
_RSS_PAGES: Final = 21
"""Places in ``/proc/self/stat``, counted from behind the command's name."""


class Figures(Protocol):
    """``created_at`` is when the process began, Unix seconds."""

    created_at: float

    def rss_and_threads(self) -> tuple[int, int]:
        """Bytes that are resident, and how many threads there are."""

    def descriptors(self) -> int:
        """How many files are open."""

    def unshared(self) -> tuple[int, int]:
        """USS and PSS in bytes, PSS UNKNOWN where the system does not tell it: walks the whole address space."""


def need_psutil() -> bool:
    """Whether ``made`` needs psutil, which takes long to load."""
    return sys.platform != "linux" or not _ROLLUP.exists()


def made() -> Figures:
    """The figures of this process. Raises whatever psutil does where it is needed and cannot be used."""
    return OfPsutil() if need_psutil() else OfLinux()


class OfLinux:
    """Reads as few files as it can: each lets go of the interpreter's lock."""

    def __init__(self) -> None:
        self.created_at = process_created(os.getpid()) or 0.0
        self._page = os.sysconf("SC_PAGE_SIZE")

    def rss_and_threads(self) -> tuple[int, int]:
        line = Path("/proc/self/stat").read_bytes()
        fields = line[line.rindex(b")") + 2 :].split()
        return int(fields[_RSS_PAGES]) * self._page, int(fields[_THREADS])

    def descriptors(self) -> int:
        return len(os.listdir("/proc/self/fd")) - 1  # without the one that looks

    def unshared(self) -> tuple[int, int]:
        uss = pss = 0
        for line in _ROLLUP.read_bytes().splitlines()[1:]:
            name, number, *_ = line.split()
            if name in _UNSHARED:
                uss += int(number) * 1024
            elif name == b"Pss:":
                pss = int(number) * 1024
        return uss, pss


class OfPsutil:
    """Asks psutil, which is loaded already or loads now."""

    def __init__(self) -> None:
        import psutil

        self._process: psutil.Process = psutil.Process()
        self.created_at = self._process.create_time()

    def rss_and_threads(self) -> tuple[int, int]:
        return self._process.memory_info().rss, self._process.num_threads()

    def descriptors(self) -> int:
        return self._process.num_fds()

    def unshared(self) -> tuple[int, int]:
        full = self._process.memory_full_info()
        return full.uss, getattr(full, "pss", UNKNOWN)
