"""``flasktop profile`` as a script uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flasktop.commands.profile import find
from flasktop.errors import AmbiguousTargetError
from flasktop.stats.views import EndpointKey
from tests.client.shop_worker import Worker, running_worker


@pytest.fixture
def worker(directory: Path) -> Iterator[Worker]:
    with running_worker(directory) as made:
        yield made


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="ft-", dir="/tmp"))
    yield folder / "run"
    shutil.rmtree(folder)


def run(directory: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flasktop", "profile", "--dir", str(directory), *arguments],
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


ROWS = tuple(
    (endpoint, EndpointKey("shop", method, "/cart"))
    for method, endpoint in (("GET", "cart.show"), ("POST", "cart.add"), ("HEAD", "cart.show"))
)


@pytest.mark.parametrize(
    ("name", "key"), [("cart.add", ROWS[1][1]), ("GET /cart", ROWS[0][1]), ("get  /cart", ROWS[0][1])]
)
def test_an_endpoint_is_found_by_its_name_or_its_route(name: str, key: EndpointKey) -> None:
    assert find(name, ROWS) == key


@pytest.mark.parametrize("name", ["/cart", "cart.show"])
def test_several_are_listed(name: str) -> None:
    with pytest.raises(AmbiguousTargetError, match="GET /cart"):
        find(name, ROWS)


def test_none_lists_those_that_there_are() -> None:
    with pytest.raises(AmbiguousTargetError, match="POST /cart"):
        find("orders", ROWS)
    with pytest.raises(AmbiguousTargetError, match="no request was served yet"):
        find("orders", ())


def test_a_request_that_hangs_is_shown_to_the_line(worker: Worker, directory: Path) -> None:
    worker.tell("get /hang/0")
    worker.tell("hang")
    done = run(directory, "--endpoint", "hang", "--for", "0.5")

    assert done.returncode == 0, done.stderr
    assert "GET /hang/<name>" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "hang " in line and "shop_worker.py:" in line)
    assert line.split()[:2] == ["100", "100"]
    assert "switch interval" in done.stderr


def test_of_two_at_once_one_waits_and_says_so(worker: Worker, directory: Path) -> None:
    worker.tell("get /hang/0")
    worker.tell("hang")
    with ThreadPoolExecutor() as two:
        both = [*two.map(lambda _: run(directory, "--endpoint", "hang", "--for", "3"), range(2))]

    assert [done.returncode for done in both] == [0, 0], [done.stderr for done in both]
    assert sum("waiting for 1 worker, busy" in done.stderr for done in both) == 1


def test_files_for_other_tools(worker: Worker, directory: Path, tmp_path: Path) -> None:
    worker.tell("get /hang/0")
    worker.tell("hang")
    for name in ("p.speedscope.json", "p.txt"):
        done = run(directory, "--endpoint", "/hang/<name>", "--for", "0.3", "--output", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert f"{name}: " in done.stderr

    again = run(directory, "--endpoint", "/hang/<name>", "--for", "0.3", "--output", str(tmp_path / "p.txt"))
    assert "p.txt (replaced): " in again.stderr
    document = json.loads((tmp_path / "p.speedscope.json").read_text())
    assert document["profiles"][0]["endValue"] > 100_000
    assert "hang (" in (tmp_path / "p.txt").read_text()  # before 3.11 a code object does not know its class or module


def test_no_samples_are_an_error_that_says_why(worker: Worker, directory: Path, tmp_path: Path) -> None:
    done = run(directory, "--endpoint", "items", "--for", "0.2", "--output", str(tmp_path / "p.json"))

    assert done.returncode == 1
    assert "No request of it ran" in done.stderr
    assert not (tmp_path / "p.json").exists()


def test_exit_codes(worker: Worker, directory: Path, tmp_path: Path) -> None:
    assert run(directory, "--endpoint", "nothing").returncode == 2
    assert run(directory, "--endpoint", "items", "--rate", "500").returncode == 2
    assert run(directory, "--endpoint", "items", "--output", str(tmp_path / "p.svg")).returncode == 2
    assert run(directory, "--endpoint", "items", "--output", str(tmp_path / "no" / "p.txt")).returncode == 1
    assert run(tmp_path / "empty", "--endpoint", "items").returncode == 3


def test_what_is_not_granted_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASKTOP_GRANTS", "heap")
    with running_worker(directory):
        done = run(directory, "--endpoint", "items", "--for", "1")

    assert done.returncode == 3
    assert "FLASKTOP_GRANTS=heap,profile" in done.stderr
