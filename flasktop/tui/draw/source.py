"""The user's own code around a line, read from this machine."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from rich.text import Text

from flasktop.protocol.text import neutral
from flasktop.tui.draw.code import coloured
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, fit, fit_left, line

SIZE_LIMIT: Final = 2_000_000
"""Bytes beyond which a file is not read."""

LINE_LIMIT: Final = 1_000
"""Characters of a line that are kept."""

UNREADABLE: Final = "the file is not on this machine or not readable by you"
NEWER: Final = "file is newer than the running worker: lines may have moved"
_TAB = 4
_JINJA = {".html", ".htm", ".j2", ".jinja", ".jinja2", ".xml", ".txt"}


@dataclass(frozen=True, slots=True)
class Source:
    """Some lines of a file. ``why`` says why there are none; ``newer``: the file changed after the worker started."""

    file: str
    line: int
    first: int
    lines: tuple[str, ...]
    newer: bool
    why: str

    @property
    def language(self) -> str:
        suffix = Path(self.file).suffix.lower()
        return "jinja" if suffix in _JINJA else "python" if suffix in {".py", ".pyw", ".pyi"} else ""


def read_source(file: str, line_number: int, started_at: float | None = None, *, around: int = 40) -> Source:
    """Read ``around`` lines on both sides of ``line_number``; a file that cannot be read says why in ``why``.

    ``started_at`` (Unix seconds) is when the worker that named the line started. Never raises for what is on disk.
    """
    lines, why, changed = _read(file)
    if not why and not 1 <= line_number <= len(lines):
        why = f"the file has only {len(lines)} lines"
    if why:
        return Source(file, line_number, line_number, (), False, why)
    first = max(1, line_number - around)
    kept = lines[first - 1 : line_number + around]
    newer = started_at is not None and changed > started_at
    return Source(file, line_number, first, tuple(_clean(text) for text in kept), newer, "")


def source_lines(source: Source, width: int, height: int, palette: Palette) -> list[Text]:
    """``source`` as at most ``height`` lines of at most ``width`` cells, the line itself marked ``▶``.

    The marked line stands in the middle where the file allows it; the indent that all lines share goes.
    """
    if source.why:
        return [line((fit(source.why, width), palette.dim))] if height > 0 else []
    if height <= 0 or width < 10:
        return []
    start, end = _cut_out(source, height)
    shown = source.lines[start:end]
    indent = min((len(t) - len(t.lstrip()) for t in shown if t.strip()), default=0)
    body = coloured("\n".join(text[indent:] for text in shown), source.language, palette).split("\n", allow_blank=True)
    digits = len(str(source.first + end))
    made = []
    for offset, text in enumerate(body):
        number = source.first + start + offset
        here = number == source.line
        row = line(
            ("▶ " if here else "  ", palette.warn),
            (f"{number:>{digits}} ", palette.warn if here else palette.dim),
            ("│ ", palette.warn if here else palette.faint),
        )
        if here:
            text.stylize(palette.marked)
            row.append_text(text)
            row.stylize("bold")
        else:
            row.append_text(text)
        made.append(cut(row, width))
    return made


def place(file: str, line_number: int, directory: str = "", width: int = 60) -> str:
    """``path:line`` as short as it can be: relative to the app's ``directory``, its start cut to fit ``width``."""
    if not file:
        return ""
    root = directory.rstrip("/") + "/"
    shown = file[len(root) :] if directory and file.startswith(root) else file
    return fit_left(f"{neutral(shown)}:{line_number}", width)


def _cut_out(source: Source, height: int) -> tuple[int, int]:
    """The slice of ``source.lines`` to show."""
    at = source.line - source.first
    start = max(0, min(at - height // 2, len(source.lines) - height))
    return start, min(len(source.lines), start + height)


def _read(file: str) -> tuple[Sequence[str], str, float]:
    if not file:
        return (), "no line of your own code ran this statement", 0.0
    try:
        about = Path(file).stat()
        if not stat.S_ISREG(about.st_mode):
            return (), UNREADABLE, 0.0
        if about.st_size > SIZE_LIMIT:
            return (), f"the file is greater than {SIZE_LIMIT // 1_000_000} MB", 0.0
        return _content(file, about.st_mtime_ns, about.st_size), "", about.st_mtime
    except (OSError, ValueError):
        return (), UNREADABLE, 0.0


@lru_cache(maxsize=16)
def _content(file: str, _changed_ns: int, _size: int) -> tuple[str, ...]:
    """The file's lines; a file that changed is another one."""
    with Path(file).open("rb") as opened:
        text = opened.read(SIZE_LIMIT).decode("utf-8", "replace")
    return tuple(text.removesuffix("\n").split("\n"))


def _clean(text: str) -> str:
    return neutral(text[:LINE_LIMIT].rstrip("\r").expandtabs(_TAB))
