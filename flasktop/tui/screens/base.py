"""What all full screens share: the summary above, the keys below, and one refresh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope, bindings
from flasktop.tui.widgets.footer import KeyFooter
from flasktop.tui.widgets.summary import SummaryBar

if TYPE_CHECKING:
    from flasktop.tui.app import FlasktopApp


SMALLEST = Size(60, 12)
"""Below this a screen says so instead of showing half of itself."""


def visible(stack: Sequence[Screen[Any]]) -> list[Screen[Any]]:
    """The topmost screen of ``stack``, and those that shine through the dialogs above them."""
    seen: list[Screen[Any]] = []
    for screen in reversed(stack):
        seen.append(screen)
        if not isinstance(screen, ModalScreen):
            break
    return seen


class ViewScreen(Screen[None]):
    """A full screen: two lines of summary, the body, one line of keys.

    A subclass yields its body from ``body`` and reads anew from ``self.feed`` in ``refresh_view``, which the app
    calls at every refresh while the screen is visible and not frozen (and once when it appears). ``scopes`` names
    the scopes of the key table that the screen answers to, nearest first; its bindings are
    ``BINDINGS = bindings(...)`` of its own scopes (those of ``view`` and ``everywhere`` are there already).
    """

    scopes: ClassVar[tuple[Scope, ...]] = ()
    BINDINGS: ClassVar[list[BindingType]] = bindings("view")

    DEFAULT_CSS = """
    ViewScreen { layout: vertical; background: $background; }
    ViewScreen > #body { height: 1fr; }
    ViewScreen > #too-small { display: none; height: 1fr; width: 1fr; content-align: center middle; }
    ViewScreen > #too-small { text-align: center; }
    ViewScreen.too-small > * { display: none; }
    ViewScreen.too-small > #too-small { display: block; }
    """

    def compose(self) -> ComposeResult:
        yield SummaryBar()
        with Vertical(id="body"):
            yield from self.body()
        yield KeyFooter(self.footer_scopes())
        yield Static("", id="too-small", markup=False)

    def on_resize(self, event: Resize) -> None:
        small = event.size.width < SMALLEST.width or event.size.height < SMALLEST.height
        self.set_class(small, "too-small")
        if small:
            have, need = event.size, SMALLEST
            told = f"{have.width}x{have.height} is too small.\nflasktop needs {need.width}x{need.height}."
            self.query_one("#too-small", Static).update(told)

    def body(self) -> ComposeResult:
        """The widgets between summary and footer."""
        yield from ()

    def footer_scopes(self) -> tuple[Scope, ...]:
        """The scopes whose keys the footer shows now."""
        return (*self.scopes, "view", "everywhere")

    @property
    def flasktop(self) -> FlasktopApp:
        return cast("FlasktopApp", self.app)

    @property
    def feed(self) -> Feed:
        return self.flasktop.feed

    def refresh_view(self) -> None:
        """Show what the feed says now."""
