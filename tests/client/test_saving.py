"""Files that a person asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from flasktop.client.saving import save_new
from flasktop.errors import FlasktopError


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    first = save_new(tmp_path, "profile GET /orders", ".json", "one")
    second = save_new(tmp_path, "profile GET /orders", ".json", "two")

    assert (first.name, second.name) == ("profile-GET-orders.json", "profile-GET-orders-2.json")
    assert (first.read_text(), second.read_text()) == ("one", "two")


def test_a_name_stays_in_its_folder(tmp_path: Path) -> None:
    assert save_new(tmp_path, "../../etc/passwd", ".txt", "").parent == tmp_path


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FlasktopError, match="cannot be written") as caught:
        save_new(tmp_path / "nowhere", "a", ".txt", "")

    assert caught.value.hint
