"""Lines of source files, read as files only: never through loaders, which are the app's code."""

from __future__ import annotations

import os
import stat
from typing import Final

SIZE_LIMIT: Final = 2_000_000
"""Bytes beyond which a file is not read."""
HELD_LIMIT: Final = 8_000_000
"""Bytes of files that are held."""
LINE_LIMIT: Final = 300
"""Characters of a line that are told."""


class Sources:
    """Files read so far, bounded; one that changes on disk is read again."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[tuple[int, int], list[bytes]]] = {}
        self._held = 0

    def line(self, file: str, number: int) -> str:
        """The text of a line, without its indent; empty where it cannot be read."""
        lines = self._lines(file)
        if not 0 < number <= len(lines):
            return ""
        return lines[number - 1].decode("utf-8", "replace").strip()[:LINE_LIMIT]

    def _lines(self, file: str) -> list[bytes]:
        try:
            about = os.stat(file)
            if not stat.S_ISREG(about.st_mode) or about.st_size > SIZE_LIMIT:
                return []
            known = self._files.get(file)
            version = (about.st_mtime_ns, about.st_size)
            if known is not None and known[0] == version:
                return known[1]
            with open(file, "rb") as opened:
                data = opened.read(SIZE_LIMIT)
        except (OSError, ValueError):
            return []
        if self._held + len(data) > HELD_LIMIT:
            self._files.clear()
            self._held = 0
        self._held += len(data)
        lines = data.splitlines()
        self._files[file] = (version, lines)
        return lines
