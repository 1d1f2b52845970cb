"""What holds at the start: the command line first, then what was remembered, then the defaults."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from flasktop.errors import ConfigurationError
from flasktop.stats.views import Window
from flasktop.tui.options import AttachOptions
from flasktop.tui.screens.main import PANELS
from flasktop.tui.settings import Settings

DEFAULT_INTERVAL: Final = 1.0
DEFAULT_WINDOW: Final = Window.MINUTE
DEFAULT_THEME: Final = "flasktop"


@dataclass(frozen=True, slots=True)
class Choices:
    """``sort`` and ``columns`` per panel; a panel that is not named keeps its own."""

    theme: str
    window: Window
    interval: float
    sort: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]


def choose(options: AttachOptions, settings: Settings, themes: Container[str]) -> Choices:
    """What holds.

    Raises:
        ConfigurationError: ``options`` names what there is not; what was remembered and is no more is passed over.
    """
    if options.theme is not None and options.theme not in themes:
        names = ", ".join(sorted(themes)) if isinstance(themes, Iterable) else ""
        raise ConfigurationError(f"There is no theme {options.theme!r}.", f"Themes: {names}.")
    remembered = settings.theme if settings.theme in themes else None
    known = {panel.panel: {column.name for column in panel.columns} for panel in PANELS}
    sort = {panel: name for panel, name in settings.sort.items() if name.removeprefix("-") in known.get(panel, ())}
    columns = {
        panel: kept
        for panel, names in settings.columns.items()
        if (kept := tuple(name for name in names if name in known.get(panel, ())))
    }
    if options.sort is not None:
        sort |= _sort(options.sort, known)
    for panel, wanted in (options.columns or {}).items():
        columns[panel] = _columns(panel, wanted, known)
    return Choices(
        theme=options.theme or remembered or DEFAULT_THEME,
        window=options.window or settings.window or DEFAULT_WINDOW,
        interval=options.interval or settings.interval or DEFAULT_INTERVAL,
        sort=sort,
        columns=columns,
    )


def _sort(wanted: str, known: Mapping[str, set[str]]) -> dict[str, str]:
    """``p95``, ``-p95`` (the other way round) or ``queries:total``: for every panel that has the column."""
    panel, _, name = wanted.rpartition(":")
    plain = name.removeprefix("-")
    found = {each: name for each, names in known.items() if plain in names and panel in ("", each)}
    if not found:
        names = sorted(set().union(*known.values()))
        raise ConfigurationError(f"There is no column {wanted!r} to sort by.", f"Columns: {', '.join(names)}.")
    return found


def _columns(panel: str, names: tuple[str, ...], known: Mapping[str, set[str]]) -> tuple[str, ...]:
    if panel not in known:
        raise ConfigurationError(f"There is no panel {panel!r}.", f"Panels: {', '.join(known)}.")
    for name in names:
        if name not in known[panel]:
            raise ConfigurationError(
                f"The panel {panel} has no column {name!r}.", f"Columns: {', '.join(sorted(known[panel]))}."
            )
    return names
