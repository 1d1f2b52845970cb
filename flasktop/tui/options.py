"""What a person may ask for when attaching; what they leave open is what they had last time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flasktop.stats.views import Window

if TYPE_CHECKING:
    from flasktop.findings.facts import Limits


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """Options of ``flasktop attach``; None or empty means "as remembered, else the default".

    ``sort`` is a column's name (``p95``, or ``queries:total`` for one panel), with a leading ``-`` (``-p95``) to
    reverse its natural order. ``columns`` are names of columns, in order, per panel
    (``{"endpoints": ("route", "p95")}``). ``interval`` is seconds between refreshes. ``limits`` are thresholds of
    findings; ``evidence`` False lets rules ask the workers for nothing.
    """

    window: Window | None = None
    sort: str | None = None
    theme: str | None = None
    columns: Mapping[str, tuple[str, ...]] | None = None
    interval: float | None = None
    limits: Limits | None = None
    evidence: bool = True
