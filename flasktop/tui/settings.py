"""What is remembered between starts: theme, window, interval, sort and columns, in one small JSON file.

The file is a convenience: one that cannot be read counts as absent and is replaced by the next save, a place that
cannot be written is left alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from flasktop.stats.views import Window


@dataclass(slots=True)
class Settings:
    """What a person chose. ``sort`` is a column's name per panel, a leading ``-`` reverses its natural order;
    ``columns`` the names of the columns to show per panel."""

    theme: str | None = None
    window: Window | None = None
    interval: float | None = None
    sort: dict[str, str] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)


def path() -> Path:
    """``$XDG_CONFIG_HOME/flasktop/state.json``, or below ``~/.config`` where that is not an absolute path."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~")) / ".config"
    return root / "flasktop" / "state.json"


def load(file: Path) -> tuple[Settings, str]:
    """The settings in ``file`` and, where it is there but cannot be used, what is wrong with it (else empty)."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings(), ""
    except (OSError, ValueError, RecursionError) as problem:
        return Settings(), f"{file} cannot be read ({type(problem).__name__}); starting with the defaults."
    if not isinstance(raw, dict):
        return Settings(), f"{file} holds no settings; starting with the defaults."
    return _decoded(raw), ""


def save(file: Path, settings: Settings) -> bool:
    """Write ``settings`` whole or not at all; False where the place cannot be written."""
    data = {
        "theme": settings.theme,
        "window": settings.window.label if settings.window else None,
        "interval": settings.interval,
        "sort": settings.sort,
        "columns": {panel: list(names) for panel, names in settings.columns.items()},
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, json.dumps(data, indent=2) + "\n")
    except OSError:
        return False
    return True


def _replace(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=".state-", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise


def _decoded(raw: dict[object, object]) -> Settings:
    """Each part by itself: one that is of another shape is left at its default."""
    settings = Settings()
    theme, window, interval = raw.get("theme"), raw.get("window"), raw.get("interval")
    if isinstance(theme, str):
        settings.theme = theme
    settings.window = next((each for each in Window if each.label == window), None)
    if isinstance(interval, int | float) and not isinstance(interval, bool) and 0.1 <= interval <= 3600:
        settings.interval = float(interval)
    settings.sort = {k: v for k, v in _mapping(raw.get("sort")).items() if isinstance(v, str)}
    settings.columns = {k: names for k, v in _mapping(raw.get("columns")).items() if (names := _names(v))}
    return settings


def _mapping(value: object) -> dict[str, object]:
    return {k: v for k, v in value.items() if isinstance(k, str)} if isinstance(value, dict) else {}


def _names(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()
