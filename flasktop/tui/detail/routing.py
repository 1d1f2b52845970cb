"""Which screen shows what."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from textual.screen import Screen

from flasktop.protocol.records import OTHER_STATEMENT, STATEMENT
from flasktop.stats.in_flight import InFlightId
from flasktop.stats.views import EndpointKey, StatementKey, TraceId

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp


def screen_for(key: Hashable, siblings: Sequence[Hashable] = ()) -> Screen[None] | None:
    """The drill-down screen of an endpoint, a statement or a request; None for anything else.

    ``siblings`` are the keys of the list it is opened from, for "next" and "previous".
    """
    # Screens open each other: imported when they do.
    from flasktop.tui.detail.endpoint import EndpointScreen
    from flasktop.tui.detail.stack import StackScreen
    from flasktop.tui.detail.statement import StatementScreen
    from flasktop.tui.detail.trace import TraceScreen

    same = [other for other in siblings if type(other) is type(key)]
    if isinstance(key, EndpointKey):
        return EndpointScreen(key, [other for other in same if isinstance(other, EndpointKey)])
    if isinstance(key, StatementKey):
        return StatementScreen(key, [other for other in same if isinstance(other, StatementKey)])
    if isinstance(key, InFlightId):
        return StackScreen(key, [other for other in same if isinstance(other, InFlightId)])
    if isinstance(key, TraceId):
        return TraceScreen(key, [other for other in same if isinstance(other, TraceId)])
    return None


def show_plan(app: FlasktopApp, key: StatementKey | None, siblings: Sequence[Hashable] = ()) -> None:
    """Open the plan of a statement; where there is none to be had, say so."""
    from flasktop.tui.detail.plan import PlanScreen

    if key is None:
        app.say("Select a statement first: x shows its plan.")
    elif key.kind != STATEMENT or key.text == OTHER_STATEMENT:
        app.say(f"{key.text} has no plan: only single statements have one.")
    else:
        app.push_screen(
            PlanScreen(
                key, [other for other in siblings if isinstance(other, StatementKey) and other.kind == STATEMENT]
            )
        )
