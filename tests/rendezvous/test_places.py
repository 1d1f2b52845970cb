"""Which directories servers use and readers search."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from flasktop.errors import RendezvousError
from flasktop.rendezvous import places, reader_directories, server_directory
from tests.rendezvous.users import NOBODY, as_user, needs_root, umask


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own as the only place for sockets; its path is not the real /tmp."""
    folder = tmp_path / "t"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(places, "_temporary_folders", lambda: [str(folder)])
    return folder


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
def test_a_new_directory_is_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """The directory of a server is 0700, also under umask 0."""
    with umask(mask):
        directory = server_directory(str(tmp_path / "d"))

    assert mode(directory) == 0o700


def test_the_runtime_directory_comes_first(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$XDG_RUNTIME_DIR is preferred to the temporary folder."""
    runtime = temporary / "runtime"
    runtime.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))

    assert server_directory(None) == runtime / "flasktop"


def test_the_temporary_folder_is_the_last_place(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a runtime directory sockets go to a folder named after the uid."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(temporary / "missing"))

    assert server_directory(None) == temporary / f"flasktop-{os.geteuid()}"


@needs_root
def test_the_runtime_directory_of_another_user_is_not_used(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo -E` keeps XDG_RUNTIME_DIR: root must not put its directory there."""
    runtime = temporary / "runtime"
    runtime.mkdir(0o700)
    os.chown(runtime, NOBODY, -1)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))

    assert server_directory(None) == temporary / "flasktop-0"


def test_a_planted_symlink_is_refused(tmp_path: Path) -> None:
    """A symlink to a fine directory is not a fine directory."""
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "d").symlink_to(tmp_path / "real")

    with pytest.raises(RendezvousError, match="symbolic link"):
        server_directory(str(tmp_path / "d"))


def test_a_planted_file_is_refused(tmp_path: Path) -> None:
    """A file where the directory should be is refused, with a word on what to do."""
    (tmp_path / "d").write_text("")

    with pytest.raises(RendezvousError, match="not a directory") as caught:
        server_directory(str(tmp_path / "d"))
    assert "FLASKTOP_DIR" in caught.value.hint


@needs_root
def test_a_planted_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    """A directory that somebody else owns is refused, whatever its mode."""
    (tmp_path / "d").mkdir(0o700)
    os.chown(tmp_path / "d", NOBODY, -1)

    with pytest.raises(RendezvousError, match=f"belongs to uid {NOBODY}"):
        server_directory(str(tmp_path / "d"))


@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777])
def test_a_directory_that_others_can_write_is_refused(tmp_path: Path, bits: int) -> None:
    """Others could already have put something in it: it is not mended silently."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(bits)

    with pytest.raises(RendezvousError, match="written by other users") as caught:
        server_directory(str(tmp_path / "d"))
    assert caught.value.hint == f"Run: chmod 700 {tmp_path / 'd'}"


def test_a_readable_directory_is_tightened(tmp_path: Path) -> None:
    """A directory of ours that others can merely list becomes private."""
    (tmp_path / "d").mkdir(0o755)
    (tmp_path / "d/12-abc.journal").write_text("")

    assert mode(server_directory(str(tmp_path / "d"))) == 0o700


def test_a_directory_with_other_things_in_it_is_not_tightened(tmp_path: Path) -> None:
    """FLASKTOP_DIR pointed at, say, a web root: closing it to others could break what is in it."""
    (tmp_path / "d").mkdir(0o755)
    (tmp_path / "d/index.html").write_text("")

    with pytest.raises(RendezvousError, match="not flasktop's"):
        server_directory(str(tmp_path / "d"))
    assert mode(tmp_path / "d") == 0o755


def test_a_parent_that_anybody_can_write_is_refused(tmp_path: Path) -> None:
    """Without a sticky bit anybody could rename our directory away and put theirs there."""
    tmp_path.chmod(0o777)

    with pytest.raises(RendezvousError, match="no sticky bit"):
        server_directory(str(tmp_path / "d"))


def test_a_sticky_parent_is_fine(tmp_path: Path) -> None:
    """/tmp is like that."""
    tmp_path.chmod(0o1777)

    assert server_directory(str(tmp_path / "d")) == tmp_path / "d"


def test_a_long_path_is_refused_with_a_shorter_one(tmp_path: Path) -> None:
    """The limit of socket paths is found before anything is made, and the hint names a way out."""
    with pytest.raises(RendezvousError, match="too long for a Unix socket") as caught:
        server_directory(str(tmp_path / ("x" * 90)))

    assert "shorter directory" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    """Only the last directory is created."""
    with pytest.raises(RendezvousError, match="cannot be created"):
        server_directory(str(tmp_path / "missing" / "d"))


@needs_root
def test_an_unwritable_place_is_said_clearly(tmp_path: Path) -> None:
    """A user who may write nowhere gets one error that says so."""
    tmp_path.chmod(0o755)

    with as_user(), pytest.raises(RendezvousError, match="cannot be created"):
        server_directory(str(tmp_path / "d"))


def test_a_planted_candidate_is_passed_over_with_a_warning(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FLASKTOP_DIR the next place serves as well, and the planted one is told."""
    runtime = temporary / "runtime"
    runtime.mkdir(0o700)
    (runtime / "flasktop").symlink_to(temporary)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    warnings: list[RendezvousError] = []

    directory = server_directory(None, warnings.append)

    assert directory == temporary / f"flasktop-{os.geteuid()}"
    assert [str(runtime) in warning.message for warning in warnings] == [True]


def test_nowhere_is_an_error_that_names_the_setting(temporary: Path) -> None:
    """When the last place is planted, the error says which setting helps."""
    (temporary / f"flasktop-{os.geteuid()}").write_text("")

    with pytest.raises(RendezvousError, match="not a directory") as caught:
        server_directory(None)
    assert "FLASKTOP_DIR" in caught.value.hint


def test_a_configured_directory_is_the_only_one_searched(temporary: Path) -> None:
    """FLASKTOP_DIR alone where it is set."""
    server_directory(None)
    directory = server_directory(str(temporary / "mine"))

    found, problems = reader_directories(str(directory))

    assert ([place.path for place in found], problems) == ([directory], [])


def test_every_candidate_is_searched_and_bad_ones_are_told(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader looks into all places that verify, and says what is wrong with the others."""
    runtime = temporary / "runtime"
    runtime.mkdir(0o700)
    (runtime / "flasktop").write_text("")
    own = server_directory(None)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))

    found, problems = reader_directories(None)

    assert own in [place.path for place in found]
    assert [str(runtime) in problem.message for problem in problems] == [True]


def test_a_reader_neither_makes_nor_changes_directories(temporary: Path) -> None:
    """Looking leaves no trace."""
    (temporary / f"flasktop-{os.geteuid()}").mkdir(0o755)

    found, _ = reader_directories(None)
    reader_directories(str(temporary / "missing"))

    assert mode(found[0].path) == 0o755
    assert not (temporary / "missing").exists()


@needs_root
def test_root_finds_the_directories_of_others(temporary: Path) -> None:
    """Root sees every user's apps, each directory under its owner's uid."""
    with as_user():
        theirs = server_directory(None)

    found, problems = reader_directories(None)

    assert (theirs, NOBODY) in [(place.path, place.owner) for place in found]
    assert problems == []


@needs_root
def test_root_refuses_a_directory_with_a_false_name(temporary: Path) -> None:
    """A user cannot pass for another one by the name of a directory."""
    with as_user():
        (temporary / "flasktop-4242").mkdir(0o700)

    found, problems = reader_directories(None)

    assert [place for place in found if place.path.name == "flasktop-4242"] == []
    assert ["belongs to uid 65534" in problem.message for problem in problems] == [True]
