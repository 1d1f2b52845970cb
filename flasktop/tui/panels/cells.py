"""Cells that several tables share."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text

from flasktop.tui.draw.palette import Palette
from flasktop.tui.feed import Feed
from flasktop.tui.thresholds import ERRORS, LATENCY_MS
from flasktop.units import QUIET, ms, percent

NOTABLE_SHARE = 0.05
"""The share of all time from which on a row stands out."""


def cell(text: str, style: Style) -> Text:
    """One value in one style; zero is quiet wherever it is written as ``·``."""
    return Text(text, style, no_wrap=True, end="")


def number(text: str, palette: Palette) -> Text:
    """A number that is only a number; quiet when it is nothing."""
    return cell(text, palette.faint if text == QUIET else palette.text)


def latency(value: float | None, palette: Palette, limits: tuple[float, float] = LATENCY_MS) -> Text:
    """Milliseconds, coloured from where a person feels them."""
    return cell(ms(value), palette.threshold(value, *limits))


def error_share(errors: int, of: int, palette: Palette) -> Text:
    """Errors as a percentage of all."""
    share = errors / of if of else 0.0
    text = percent(share, quiet=True)
    return cell(text, palette.faint if text == QUIET else palette.threshold(share, *ERRORS))


def share(value: float, palette: Palette) -> Text:
    """A share of all time, with its sign."""
    text = percent(value, quiet=True)
    if text == QUIET:
        return cell(text, palette.faint)
    return cell(f"{text} %", palette.strong if value >= NOTABLE_SHARE else palette.text)


def directory(feed: Feed) -> str:
    """The directory the app runs in, which source paths are shown relative to."""
    for worker in feed.store.workers(feed.now(), feed.window):
        if worker.hello is not None and worker.hello.directory:
            return worker.hello.directory
    return ""
