"""Which app a target names."""

from __future__ import annotations

from pathlib import Path

import pytest

from flasktop.client.apps import RunningApp, resolve
from flasktop.errors import AmbiguousTargetError, NotRunningError
from flasktop.protocol.events import WorkerId


def app(name: str, group: int, *pids: int, directory: str = "/srv/shop") -> RunningApp:
    workers = tuple(WorkerId(pid, 1) for pid in pids)
    sockets = tuple(Path(f"/run/{pid}-1.sock") for pid in pids)
    return RunningApp(name, (name,), group, directory, "gunicorn sync", workers, sockets, 0.0, 0.0)


SHOP, BLOG = app("shop", 10, 11, 12), app("blog", 20, 21)


@pytest.mark.parametrize("target", ["shop", "10", "11", "12", "/run/12-1.sock"])
def test_a_target_names_its_app(target: str) -> None:
    """By name, by the master's pid, by a worker's pid, by a worker's socket."""
    assert resolve(target, [SHOP, BLOG]) is SHOP


def test_no_target_is_the_only_app() -> None:
    """Nothing needs to be said where nothing else can be meant."""
    assert resolve(None, [SHOP]) is SHOP


def test_no_target_is_ambiguous_among_several() -> None:
    """The hint lists what can be named, by what is unique."""
    with pytest.raises(AmbiguousTargetError, match="2 apps") as caught:
        resolve(None, [SHOP, BLOG])
    assert "pid 11" in caught.value.hint and "pid 21" in caught.value.hint


def test_a_name_may_be_that_of_two_servers() -> None:
    """The same app started twice is told apart by its pids."""
    with pytest.raises(AmbiguousTargetError, match="'shop'"):
        resolve("shop", [SHOP, app("shop", 30, 31, directory="/srv/other")])


@pytest.mark.parametrize("target", ["other", "99", "/run/99-1.sock", ""])
def test_an_unknown_target_is_told_what_runs(target: str) -> None:
    """The way out is in the hint."""
    with pytest.raises(NotRunningError) as caught:
        resolve(target, [SHOP])
    assert caught.value.hint == "Running: shop (gunicorn sync, pid 11, /srv/shop)."


def test_nothing_running_says_how_to_switch_it_on() -> None:
    """The likeliest reason is that the app does not use flasktop yet."""
    with pytest.raises(NotRunningError) as caught:
        resolve(None, [])
    assert "FlaskTop(app)" in caught.value.hint
