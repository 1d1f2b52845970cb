"""A short directory for sockets: pytest's own, with a long test name, is too long for one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flasktop.rendezvous import server_directory


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty, private directory."""
    folder = Path(tempfile.mkdtemp(prefix="ft-", dir="/tmp"))
    folder.chmod(0o755)
    yield server_directory(str(folder / "run"))
    shutil.rmtree(folder)
