"""Settings from the config and the environment, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flasktop.agent.config import Settings
from flasktop.errors import ConfigurationError


def test_defaults_hold_where_nothing_is_said() -> None:
    assert Settings.load({}, {}) == Settings()


def test_the_config_wins_over_the_environment() -> None:
    assert Settings.load({"FLASKTOP_NAME": "a"}, {"FLASKTOP_NAME": "b"}).name == "a"


def test_the_environment_wins_over_the_default() -> None:
    assert Settings.load({}, {"FLASKTOP_MAX_SPANS": "7"}).max_spans == 7


def test_none_in_the_config_is_not_said() -> None:
    assert Settings.load({"FLASKTOP_NAME": None}, {"FLASKTOP_NAME": "b"}).name == "b"


@pytest.mark.parametrize("word", ["0", "false", "No", " OFF ", "", False, 0])
def test_words_for_off(word: object) -> None:
    assert Settings.load({"FLASKTOP_ENABLED": word}, {}).enabled is False


@pytest.mark.parametrize("word", ["1", "true", "Yes", "ON", True, 1])
def test_words_for_on(word: object) -> None:
    assert Settings.load({"FLASKTOP_MASK_PATHS": word}, {}).mask_paths is True


def test_a_path_object_is_a_directory() -> None:
    assert Settings.load({"FLASKTOP_DIR": Path("/tmp/x")}, {}).dir == "/tmp/x"


@pytest.mark.parametrize("value", ["/a,/b*", "/a, /b* ,", ["/a", "/b*"], ("/a", "/b*")])
def test_what_is_ignored_is_a_list_or_a_text_with_commas(value: object) -> None:
    assert Settings.load({"FLASKTOP_IGNORE": value}, {}).ignore == ("/a", "/b*")


@pytest.mark.parametrize(
    ("path", "ignored"), [("/a", True), ("/ab", False), ("/b", True), ("/b/c", True), ("/", False)]
)
def test_a_star_matches_any_rest(path: str, ignored: bool) -> None:
    assert Settings(ignore=("/a", "/b*")).ignores(path) is ignored


class OddPath:
    def __fspath__(self) -> bytes:
        return b"/tmp"


WRONG: dict[str, list[Any]] = {
    "enabled": ["maybe", 2, 1.5, []],
    "name": [7, b"x", "a\0b"],
    "dir": [7, "a\0b", OddPath()],
    "ignore": [7, [1], {"/a": 1}],
    "mask_paths": ["perhaps"],
    "history_bytes": ["", "8 MB", 0, 2**40, 8e6, True, "9" * 5000],
    "max_spans": [0, -1, "x"],
    "max_statements": [9],
    "max_statement_bytes": [63],
    "max_routes": [0],
    "max_in_flight": [0, 16385],
    "max_readers": [0, 257],
    "grants": ["heaps", "all,heap", 7, [1]],
    "show_values": ["perhaps"],
}


@pytest.mark.parametrize("field", Settings.__struct_fields__)
def test_a_wrong_value_names_its_key_and_what_it_takes(field: str) -> None:
    key = f"FLASKTOP_{field.upper()}"
    for value in WRONG[field]:
        with pytest.raises(ConfigurationError, match=f"^{key} is .*, but it takes "):
            Settings.load({key: value}, {})


def test_an_ignored_path_without_a_slash_is_refused() -> None:
    """It would never match, and its author would wonder why."""
    with pytest.raises(ConfigurationError, match="FLASKTOP_IGNORE"):
        Settings.load({"FLASKTOP_IGNORE": "healthz"}, {})


@pytest.mark.parametrize(
    ("value", "grants"),
    [
        ("all", ("heap", "stacks", "profile", "explain")),
        ("", ()),
        (" explain , HEAP,", ("heap", "explain")),
        (["stacks"], ("stacks",)),
    ],
)
def test_grants_are_named_in_any_order(value: object, grants: tuple[str, ...]) -> None:
    assert Settings.load({"FLASKTOP_GRANTS": value}, {}).grants == grants


def test_all_is_granted_where_nothing_is_said() -> None:
    assert Settings.load({}, {}).grants == ("heap", "stacks", "profile", "explain")
