"""What holds at the start, and what of it is remembered when it changes."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any

from flasktop.stats.views import Window
from flasktop.tui import settings
from flasktop.tui.choices import Choices, choose
from flasktop.tui.options import AttachOptions
from flasktop.tui.panels.base import ListPanel


class Memory:
    """The choices of a person, from the command line and from last time; changes are written as they are made.

    ``trouble`` says what is wrong with the file, empty where nothing is. A place that cannot be written is left alone.

    Raises:
        ConfigurationError: ``options`` names a theme, sort or column that there is none of.
    """

    def __init__(self, file: Path, options: AttachOptions, themes: Container[str]) -> None:
        self._file = file
        self._settings, self.trouble = settings.load(file)
        self.choices: Choices = choose(options, self._settings, themes)

    def note(self, *, theme: str | None = None, window: Window | None = None, interval: float | None = None) -> None:
        """Remember what is given."""
        self._settings.theme = theme or self._settings.theme
        self._settings.window = window or self._settings.window
        self._settings.interval = interval or self._settings.interval
        self._save()

    def restore(self, panel: ListPanel[Any]) -> None:
        """Give a new panel the sort and columns that were asked for or remembered."""
        sort = self.choices.sort.get(panel.panel)
        if sort is not None:
            panel.sorted_by, panel.reverse = sort.removeprefix("-"), sort.startswith("-")
        panel.chosen_columns = self.choices.columns.get(panel.panel, ())

    def remember(self, panel: ListPanel[Any]) -> None:
        """Remember a panel's sort and columns."""
        self._settings.sort[panel.panel] = ("-" if panel.reverse else "") + panel.sorted_by
        if panel.chosen_columns:
            self._settings.columns[panel.panel] = panel.chosen_columns
        else:
            self._settings.columns.pop(panel.panel, None)
        self._save()

    def _save(self) -> None:
        settings.save(self._file, self._settings)
