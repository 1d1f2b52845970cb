"""The key table, and what is made from it."""

from __future__ import annotations

import pytest

from flasktop.tui.keys import KEYS, SCOPE_TITLES, Scope, bindings
from flasktop.tui.screens.help import HelpScreen
from tests.tui.stage import Stage, play

SCREENS: list[tuple[Scope, ...]] = [
    ("endpoints", "panel", "view", "everywhere"),
    ("queries", "panel", "view", "everywhere"),
    ("in_flight", "panel", "view", "everywhere"),
    ("processes", "panel", "view", "everywhere"),
    ("heap", "panel", "view", "everywhere"),
    ("log", "panel", "view", "everywhere"),
    ("endpoint", "detail", "view", "everywhere"),
    ("profile", "detail", "view", "everywhere"),
    ("trace", "detail", "view", "everywhere"),
    ("stack", "detail", "view", "everywhere"),
    ("statement", "detail", "view", "everywhere"),
    ("one heap", "detail", "view", "everywhere"),
    ("allocations", "detail", "view", "everywhere"),
    ("types", "detail", "view", "everywhere"),
    ("start", "everywhere"),
    ("columns", "everywhere"),
]
"""The scopes that are together on one screen."""

RESERVED = {"F", "left_square_bracket", "right_square_bracket"}


@pytest.mark.parametrize("scopes", SCREENS)
def test_no_key_does_two_things_on_one_screen(scopes: tuple[Scope, ...]) -> None:
    """Neither within a scope nor over those that are together."""
    keys = [name for key in KEYS if key.scope in scopes for name in key.keys.split(",")]

    assert sorted(keys) == sorted(set(keys))


def test_what_is_not_built_yet_has_its_keys_free() -> None:
    """They will mean what they mean elsewhere."""
    assert not RESERVED & {name for key in KEYS for name in key.keys.split(",")}


def test_every_key_is_explained() -> None:
    """A label for the footer, a sentence for the help, a scope with a title."""
    for key in KEYS:
        assert key.label
        assert key.help[0].isupper()
        assert SCOPE_TITLES[key.scope]


def test_ids_are_unique() -> None:
    """A keymap names a binding by its id."""
    ids = [key.id for key in KEYS]

    assert len(set(ids)) == len(ids)


def test_bindings_are_made_for_the_scopes_asked_for() -> None:
    """And for no others."""
    assert len(bindings("view", "everywhere")) == sum(key.scope in ("view", "everywhere") for key in KEYS)


@pytest.mark.parametrize("panel", ["1", "2", "4", "5", "L"])
def test_the_help_lists_every_key_of_the_panel(panel: str) -> None:
    """No hidden keys."""

    async def act(stage: Stage) -> None:
        await stage.press(panel)
        scopes = stage.main.footer_scopes()
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, HelpScreen)
        shown = stage.text()
        for key in KEYS:
            if key.scope in scopes:
                assert key.help in shown
        await stage.press("escape")

        assert stage.on_main

    play(act, size=(120, 70))


def test_the_footer_is_made_from_the_table() -> None:
    """In a wide terminal all that want to be there are."""

    async def act(stage: Stage) -> None:
        footer = stage.lines()[-1]
        for key in KEYS:
            if key.scope in stage.main.footer_scopes() and key.footer:
                assert f"{key.shown} {key.label}" in footer

    play(act, size=(200, 60))


def test_a_key_in_the_footer_can_be_clicked() -> None:
    """It does what the key does."""

    async def act(stage: Stage) -> None:
        x = stage.lines()[-1].index("freeze")
        await stage.pilot.click(offset=(x, len(stage.lines()) - 1))
        await stage.pilot.pause()

        assert stage.app.feed.frozen

    play(act)


def test_the_palette_runs_a_command() -> None:
    """By its name."""

    async def act(stage: Stage) -> None:
        await stage.press("ctrl+p")
        await stage.press(*"queries")
        await stage.until(lambda: "which statements cost" in stage.text())
        await stage.press("enter")
        await stage.until(lambda: stage.panel.panel == "queries")

    play(act)
