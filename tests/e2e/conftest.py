from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.e2e.app import prepare
from tests.e2e.servers import ROOT, Kind, Server, clear


class Serve(Protocol):
    """Starts a server with the end-to-end app; it is ended with the test at the latest."""

    def __call__(self, kind: Kind, **environment: str) -> Server: ...


@pytest.fixture
def directory() -> Iterator[Path]:
    """A ``FLASKTOP_DIR``: private, and with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="ft", dir="/tmp"))
    yield path
    clear(path)


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'e2e.db'}"
    prepare(url)
    return url


@pytest.fixture
def serve(directory: Path, database: str, tmp_path: Path) -> Iterator[Serve]:
    servers: list[Server] = []

    def start(kind: Kind, **environment: str) -> Server:
        servers.append(Server(kind, directory, tmp_path, database, **environment))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def flasktop(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command ``flasktop`` on the apps in ``directory``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FLASKTOP_")}
    return subprocess.run(
        [sys.executable, "-c", "from flasktop.cli import main; main()", *arguments],
        env={**kept, "FLASKTOP_DIR": str(directory)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def snapshot(directory: Path, *arguments: str) -> dict[str, Any]:
    """What ``flasktop snapshot --json`` prints."""
    done = flasktop(directory, "snapshot", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen
