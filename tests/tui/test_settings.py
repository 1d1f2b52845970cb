"""What is remembered between starts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from flasktop.errors import ConfigurationError
from flasktop.stats.views import Window
from flasktop.tui import settings
from flasktop.tui.app import FlasktopApp
from flasktop.tui.options import AttachOptions
from flasktop.tui.settings import Settings
from tests.tui.shop import Feeding
from tests.tui.stage import Stage, play


def test_theme_window_interval_sort_and_columns_come_back() -> None:
    """A second start looks as the first one was left."""

    async def first(stage: Stage) -> None:
        await stage.press("T", "w", "plus", "2", "s", "r", "1", "c", "j", "j", "space", "enter")

    async def second(stage: Stage) -> None:
        assert stage.app.theme == "flasktop-light"
        assert stage.app.feed.window is Window.FIVE_MINUTES
        assert stage.app.interval == 2.0
        assert "rate" not in stage.panel.table.shown_columns
        await stage.press("2")
        assert (stage.panel.sorted_by, stage.panel.reverse) == ("share", True)

    play(first, size=(200, 60))
    play(second, size=(200, 60))


def test_the_command_line_comes_first() -> None:
    """What is asked for now beats what was chosen then."""

    async def first(stage: Stage) -> None:
        await stage.press("w", "s")

    async def second(stage: Stage) -> None:
        assert stage.app.feed.window is Window.TEN_SECONDS
        assert (stage.panel.sorted_by, stage.panel.reverse) == ("p95", True)
        assert stage.panel.table.shown_columns == ("finding", "route", "p95")  # marks stay

    play(first)
    options = AttachOptions(Window.TEN_SECONDS, "-p95", columns={"endpoints": ("route", "p95")})
    play(second, options=options)


@pytest.mark.parametrize(
    "options",
    [
        AttachOptions(theme="none such"),
        AttachOptions(sort="none such"),
        AttachOptions(columns={"endpoints": ("none such",)}),
        AttachOptions(columns={"none such": ("route",)}),
    ],
)
def test_an_option_that_names_nothing_says_what_there_is(options: AttachOptions) -> None:
    """Before anything is drawn."""
    with pytest.raises(ConfigurationError, match="none such") as raised:
        FlasktopApp(Feeding(), options)

    assert raised.value.hint


@pytest.mark.parametrize("content", ["{", "[]", "\x00", "[" * 100_000, '{"sort": 3, "columns": {"endpoints": 1}}'])
def test_a_broken_file_is_the_defaults(content: str) -> None:
    """It is said once, and the next choice replaces it."""
    file = settings.path()
    file.parent.mkdir(parents=True)
    file.write_text(content)

    async def act(stage: Stage) -> None:
        assert stage.panel.sorted_by == "share"
        await stage.press("w")

    play(act)

    assert settings.load(file) == (Settings(window=Window.FIVE_MINUTES), "")


def test_what_is_remembered_and_is_no_more_is_passed_over() -> None:
    """A theme or column of another version."""
    settings.save(settings.path(), Settings(theme="gone", sort={"endpoints": "gone"}, columns={"endpoints": ("gone",)}))

    async def act(stage: Stage) -> None:
        assert stage.app.theme == "flasktop"
        assert stage.panel.sorted_by == "share"
        assert "route" in stage.panel.table.shown_columns

    play(act)


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self").exists(), reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_left_alone() -> None:
    """No error, no toast: nothing is lost but the memory."""
    assert settings.save(Path("/proc/self/flasktop/state.json"), Settings()) is False


def test_saving_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """No half file, and nothing beside it is left behind."""
    file = tmp_path / "deep" / "state.json"
    assert settings.save(file, Settings(theme="nord", sort={"endpoints": "-p95"}))

    assert os.listdir(file.parent) == ["state.json"]
    assert settings.load(file) == (Settings(theme="nord", sort={"endpoints": "-p95"}), "")


def test_the_place_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative or empty value counts as unset."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "x"))
    assert settings.path() == tmp_path / "x" / "flasktop" / "state.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", "")

    assert settings.path() == tmp_path / ".config" / "flasktop" / "state.json"


def test_a_file_that_cannot_be_read_says_so_on_the_screen() -> None:
    """Only that: the screen is there."""
    settings.path().parent.mkdir(parents=True)
    settings.path().write_text("{")

    async def run() -> None:
        app = FlasktopApp(Feeding(), AttachOptions())
        async with app.run_test() as pilot:
            await pilot.pause()
            assert any("cannot be read" in note.message for note in app._notifications)

    asyncio.run(run())
