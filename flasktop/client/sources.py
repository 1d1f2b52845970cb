"""The app's source files, as they lie on this machine."""

from __future__ import annotations

import os
import stat
from typing import Final

from flasktop.errors import FlasktopError

SIZE_LIMIT: Final = 2_000_000
"""Bytes beyond which a file is not read."""


def read_source(file: str, started_at: float | None = None) -> str:
    """Read a source file; ``started_at`` (Unix seconds) is when the worker that named it started.

    Raises:
        FlasktopError: it cannot be read, is no source file of a usual size, or is newer than the worker.
    """
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > SIZE_LIMIT:
                raise FlasktopError(f"{file} is no file of source code, or longer than any that is read.", "")
            if started_at is not None and about.st_mtime > started_at:
                raise FlasktopError(f"{file} is newer than the running worker.", "Restart the app.")
            return opened.read(SIZE_LIMIT).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise FlasktopError(f"{file} is not on this machine, or not readable by you.", "") from error


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe of that name keeps nobody waiting."""
    return os.open(path, flags | os.O_NONBLOCK)
