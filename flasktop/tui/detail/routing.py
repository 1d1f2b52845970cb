"""Which screen shows what."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.screen import Screen

from flasktop.stats.views import EndpointKey, StatementKey, TraceId


def screen_for(key: Hashable, siblings: Sequence[Hashable] = ()) -> Screen[None] | None:
    """The drill-down screen of an endpoint, a statement or a request; None for anything else.

    ``siblings`` are the keys of the list it is opened from, for "next" and "previous".
    """
    # Screens open each other: imported when they do.
    from flasktop.tui.detail.endpoint import EndpointScreen
    from flasktop.tui.detail.statement import StatementScreen
    from flasktop.tui.detail.trace import TraceScreen

    same = [other for other in siblings if type(other) is type(key)]
    if isinstance(key, EndpointKey):
        return EndpointScreen(key, [other for other in same if isinstance(other, EndpointKey)])
    if isinstance(key, StatementKey):
        return StatementScreen(key, [other for other in same if isinstance(other, StatementKey)])
    if isinstance(key, TraceId):
        return TraceScreen(key, [other for other in same if isinstance(other, TraceId)])
    return None
