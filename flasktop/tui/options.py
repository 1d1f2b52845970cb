"""What a person may ask for when attaching; what they leave open is what they had last time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flasktop.stats.views import Window


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """Options of ``flasktop attach``; None or empty means "as remembered, else the default".

    ``sort`` is a column's name, with a leading ``-`` to reverse its natural order, for the panel that has it.
    ``columns`` are names of columns, in order, per panel (``{"endpoints": ("route", "p95")}``). ``interval`` is
    seconds between refreshes. ``searched`` are the directories that were searched for apps, for the waiting screen.
    """

    window: Window | None = None
    sort: str | None = None
    theme: str | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    interval: float | None = None
    searched: tuple[str, ...] = ()
