"""The screen of a profile: an endpoint's requests sampled on all its workers, then the call tree of where they were."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import ClassVar, Final

from textual.binding import BindingType

from flasktop.client.profile import PATIENCE_S, Standing, profile, silence
from flasktop.client.saving import save_new
from flasktop.errors import FlasktopError
from flasktop.protocol.commands.profile import DEFAULT_RATE, DEFAULT_SECONDS
from flasktop.protocol.events import WorkerId
from flasktop.stats.calltree import Node, Profile, hot_path, merge
from flasktop.stats.flamefile import collapsed, speedscope
from flasktop.stats.views import EndpointKey
from flasktop.tui.deferred import deferred
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.profile_code import ProfileCodeScreen
from flasktop.tui.detail.profile_page import (
    SECTION,
    NodePath,
    Note,
    Progress,
    progress_lines,
    tree_lines,
    trouble_lines,
)
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.detail.words import endpoint_name
from flasktop.tui.keys import Scope, bindings

NOTHING_YET: Final = Standing(0, 0, 0)
"""Of a profile that was just asked for."""

COUNT_S: Final = 0.25
"""How often the elapsed time is shown anew."""


class ProfileScreen(DetailScreen):
    """The profile of one endpoint: taken when the screen opens, stopped when it is left."""

    scopes: ClassVar[tuple[Scope, ...]] = ("profile", "detail")
    BINDINGS: ClassVar[list[BindingType]] = bindings("profile")

    key: EndpointKey
    view: Progress | Profile | FlasktopError

    def __init__(self, key: EndpointKey, seconds: float = DEFAULT_SECONDS, rate: int = DEFAULT_RATE) -> None:
        super().__init__(key)
        self._seconds, self._rate = seconds, rate
        self._failures: tuple[tuple[WorkerId, FlasktopError], ...] = ()
        self._next: Profile | FlasktopError | None = None
        self._note = Note()
        self._started, self._standing = 0.0, NOTHING_YET
        self._wanted: NodePath = ()

    @property
    def crumb(self) -> str:
        """Opened from the list it names the endpoint, too."""
        stack = self.app.screen_stack
        behind = stack[stack.index(self) - 1] if self in stack else None
        return "profile" if getattr(behind, "key", None) == self.key else f"{endpoint_name(self.key)} › profile"

    def _list_behind(self) -> tuple[Hashable, ...]:
        return (self.key,)  # the next endpoint is not sampled for a key that was hit

    def on_mount(self) -> None:
        self._begin()
        self.set_interval(COUNT_S, self._count_on)

    # What is shown

    def read(self) -> object:
        """What there is by now; while the picture is frozen it stays as it was."""
        if not self.feed.frozen:
            if self._next is not None:
                self.view, self._next = self._next, None
            if isinstance(self.view, Progress):
                standing = self._standing
                begun = standing.begun or not standing.waiting
                self.view.elapsed = self.flasktop.clock() - self._started if begun else 0.0
                self.view.samples, self.view.waiting = standing.samples, standing.waiting
        return self.view

    def draw_lines(self, context: Context) -> list[Line]:
        view = self.view
        if isinstance(view, Progress):
            return progress_lines(view, endpoint_name(self.key), context, frozen=self.feed.frozen)
        if isinstance(view, FlasktopError):
            return [*self._note.lines(context), *trouble_lines(view, self._failures, context)]
        lines = tree_lines(view, self._failures, self._selected, context)
        return [*self._note.lines(context), *lines]

    def redraw(self) -> None:
        super().redraw()
        if self._wanted and isinstance(self.view, Profile) and self.page.lines:
            wanted, self._wanted = self._wanted, ()
            self.page.start()
            self.page.select((SECTION, wanted))
            super().redraw()

    def gone_words(self) -> str:
        return ""

    def copied(self) -> str:
        node = self._selected
        return f"{node.key.name} {node.key.file}:{node.line}" if node is not None else endpoint_name(self.key)

    def on_page_moved(self) -> None:
        """The code of another function is shown now."""
        self.redraw()

    def _count_on(self) -> None:
        if self.is_current and isinstance(self.view, Progress):
            self.refresh_view()

    # Sampling

    def _begin(self) -> None:
        known = self.feed.store.local_ids(self.key)
        workers = [(worker, ids) for worker, ids in known if self.feed.worker in (None, worker)]
        self._failures, self._wanted, self._next, self._note = (), (), None, Note()
        self.opened.clear()
        if not workers:
            self.view = FlasktopError("No worker that runs now knows this endpoint.", "Ask for it, then P again.")
            return
        self._started, self._standing = self.flasktop.clock(), NOTHING_YET
        self.view = Progress(self._seconds, len(workers))
        self.run_worker(deferred(self._sample, workers), group="profile", exclusive=True)

    async def _sample(self, workers: list[tuple[WorkerId, tuple[int, ...]]]) -> None:
        def told(now: Standing) -> None:
            before, self._standing = self._standing, now
            if before.waiting and now.begun > before.begun:
                self._started = self.flasktop.clock()  # it takes its time from when the last worker begins

        source, patience = self.flasktop.source, PATIENCE_S
        with self.flasktop.findings.giving_way():
            outcome = await profile(source, workers, self._seconds, self._rate, told, patience_s=patience)
        self._failures = outcome.failures
        found = merge(outcome.profiles, endpoint_name(self.key))
        if found.samples:
            self._open_hot_path(found)
            self._next = found
        elif outcome.profiles:
            self._next = FlasktopError(silence(found.finished, found.seconds), "P samples again.")
        else:
            self._next, self._failures = outcome.failures[0][1], outcome.failures[1:]
        self.refresh_view()

    def _open_hot_path(self, found: Profile) -> None:
        """Unfold it, and let the cursor begin at the last function of the app's in it."""
        path: NodePath = ()
        for node in hot_path(found.root)[1:]:
            self.opened.add(path)
            path = (*path, node.key)
            if node.kind == "own" or not self._wanted:
                self._wanted = path

    # Keys

    @property
    def _selected(self) -> Node | None:
        return self._node(self._path_selected)

    @property
    def _path_selected(self) -> NodePath:
        choice = self.page.selected
        return choice[1] if isinstance(choice, tuple) and choice[0] == SECTION else ()

    def _node(self, path: NodePath) -> Node | None:
        node = self.view.root if isinstance(self.view, Profile) and path else None
        for key in path:
            node = next((child for child in node.children if child.key == key), None) if node is not None else None
        return node

    def action_unfold(self, opened: bool) -> None:
        """Show what a function called, or no longer; folded already: go to who called it."""
        path = self._path_selected
        node = self._node(path)
        if node is None:
            return
        if opened and node.children:
            self.opened.add(path)
        elif not opened and path in self.opened:
            self.opened.discard(path)
        elif not opened and len(path) > 1:
            self.page.select((SECTION, path[:-1]))
        self.redraw()

    def action_open(self) -> None:
        if not self.page.bring_into_view():
            return
        path = self._path_selected
        node = self._node(path)
        if node is None or not isinstance(self.view, Profile):
            return
        if node.key.file:
            self.app.push_screen(ProfileCodeScreen(self.view, node))
        else:
            self.action_unfold(path not in self.opened)

    def action_profile(self) -> None:
        """Sample anew."""
        if not isinstance(self.view, Progress):
            self._begin()
            self.redraw()

    def action_export(self) -> None:
        """Write the profile as files for other tools."""
        if not isinstance(self.view, Profile):
            self._note = Note("There is no profile to export.", warn=True)
        else:
            self._note = self._exported(self.view)
        self.redraw()

    def _exported(self, found: Profile) -> Note:
        stem = f"profile {endpoint_name(self.key)}"
        try:
            here = Path.cwd()
            first = save_new(here, stem, ".speedscope.json", speedscope(found))
            second = save_new(here, stem, ".collapsed.txt", collapsed(found))
        except FlasktopError as error:
            return Note(f"{error.message} {error.hint}", warn=True)
        except OSError as error:
            return Note(f"Nothing was written: the current folder is gone ({error.strerror}).", warn=True)
        return Note(f"Wrote {first.name} and {second.name} in {here}.")

    def action_back(self) -> None:
        self.workers.cancel_group(self, "profile")
        super().action_back()
