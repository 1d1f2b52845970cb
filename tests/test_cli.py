"""The command line as a person or a script meets it: real processes, real workers, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from flasktop._version import __version__
from flasktop.cli import cli, flask_top
from tests.client.conftest import directory as directory  # the fixture
from tests.client.fakes import FakeWorker, asynchronous
from tests.client.shop_worker import REPOSITORY, Worker, running_worker

UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


def flasktop(*arguments: str, directory: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "flasktop", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **({"FLASKTOP_DIR": str(directory)} if directory else {}), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.fixture
def worker(directory: Path) -> Iterator[Worker]:
    """A live worker of the app "shop" that has served one request."""
    with running_worker(directory) as worker:
        yield worker


def snapshot(directory: Path, *arguments: str) -> dict[str, Any]:
    done = flasktop("snapshot", "--json", *arguments, directory=directory)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


# -- snapshot ----------------------------------------------------------------------------------------------------


def test_the_snapshot_has_the_promised_shape(directory: Path, worker: Worker) -> None:
    """Programs rely on these keys: they are never removed."""
    found = snapshot(directory)

    assert (found["version"], found["app"], found["lost"], found["died"]) == (1, "shop", 0, [])
    assert UTC.fullmatch(found["history_from"])
    assert {
        "pid", "started_at", "rss_bytes", "cpu_percent", "threads", "open_files", "in_flight", "requests",
        "gc_collections", "gc_pause_ms", "agent_cpu_percent", "pools",
    } <= found["workers"][0].keys()  # fmt: skip
    assert UTC.fullmatch(found["workers"][0]["started_at"])
    assert {
        "method", "route", "endpoint", "count", "errors", "rate", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms",
        "first_byte_ms", "sql_per_request", "sql_ms", "cpu_ms", "wait_ms", "statuses",
    } <= found["endpoints"][0].keys()  # fmt: skip
    assert found["queries"] == []


def test_the_snapshot_counts_exactly(directory: Path, worker: Worker) -> None:
    """Every request that was answered before is in it, errors and what matched no route apart."""
    for path in ("/items/2", "/items/3", "/fail", "/nowhere"):
        worker.tell(f"get {path}")

    rows = {(row["method"], row["route"]): row for row in snapshot(directory, "--for", "0")["endpoints"]}

    counts = {key: (row["count"], row["errors"], row["statuses"]) for key, row in rows.items()}
    assert counts == {
        ("GET", "/items/<int:item>"): (3, 0, {"200": 3}),
        ("GET", "/fail"): (1, 1, {"500": 1}),
        ("*", "<unmatched>"): (1, 0, {"404": 1}),
    }


def test_the_snapshot_shows_what_died(directory: Path, worker: Worker) -> None:
    """Where only a killed worker is left, its journal is shown, and stderr says so."""
    snapshot(directory, "--for", "0")  # what finished is in the journal a moment later, or when a reader asks
    worker.tell("hang")
    worker.process.kill()
    worker.process.wait()

    done = flasktop("snapshot", "--json", directory=directory)

    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert "no worker of shop runs any more" in done.stderr
    assert [(died["pid"], died["method"], died["route"]) for died in found["died"]] == [
        (worker.pid, "GET", "/hang/<name>")
    ]
    assert sum(row["count"] for row in found["endpoints"]) == 1


def test_the_table_is_readable(directory: Path, worker: Worker) -> None:
    """Plain text in a pipe: sections, no escape sequences, stderr empty."""
    done = flasktop("snapshot", directory=directory)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("shop · WSGI · 1 worker · up ")
    for part in ("ENDPOINTS", "GET /items/<int:item>", "QUERIES", "WORKERS", str(worker.pid)):
        assert part in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_the_table_fits_the_terminal(directory: Path, worker: Worker, columns: str) -> None:
    """No line is longer than COLUMNS."""
    done = flasktop("snapshot", "--for", "0", directory=directory, COLUMNS=columns)

    assert max(map(len, done.stdout.splitlines())) <= int(columns)


def test_a_terminal_without_unicode_is_no_fault(directory: Path, worker: Worker) -> None:
    """What cannot be written is replaced."""
    done = flasktop("snapshot", "--for", "0", directory=directory, PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert (done.returncode, done.stderr) == (0, "")
    assert "GET /items/<int:item>" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_error(directory: Path, worker: Worker) -> None:
    """``flasktop snapshot | head``: quiet."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "flasktop", "snapshot", "--dir", str(directory)],
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    os.close(write)

    assert process.communicate(timeout=110)[1] == b""
    assert process.returncode == 0


def test_an_app_that_ends_meanwhile_is_shown_and_is_no_success(directory: Path, worker: Worker) -> None:
    """Exit code 3: what came until then is on stdout, and stderr says that it is no more."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flasktop", "snapshot", "--json", "--for", "10", "--dir", str(directory)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    worker.tell("watched")
    worker.tell("exit")
    out, err = process.communicate(timeout=110)

    assert process.returncode == 3
    assert "shop ended while it was being watched" in err
    assert [row["count"] for row in json.loads(out)["endpoints"]] == [1]


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_a_time_that_is_none_is_refused(seconds: str) -> None:
    """``--for nan`` would wait for ever, or not at all: a mistake of usage."""
    done = CliRunner().invoke(cli, ["snapshot", "--for", seconds])

    assert done.exit_code == 2
    assert "--for" in done.output


# -- ps ----------------------------------------------------------------------------------------------------------


def test_ps_lists_apps_and_workers(directory: Path, worker: Worker) -> None:
    """One line a worker, with what it has done and where."""
    done = flasktop("ps", directory=directory)

    header, line = done.stdout.splitlines()
    assert header.split()[:4] == ["app", "server", "pid", "state"]
    assert line.split()[:4] == ["shop", "WSGI", str(worker.pid), "live"]
    assert (done.returncode, done.stderr) == (0, "")


def test_ps_shows_what_died(directory: Path, worker: Worker) -> None:
    """The requests that died with a worker, with age and route."""
    worker.tell("hang")
    worker.process.kill()
    worker.process.wait()

    done = flasktop("ps", directory=directory)
    found = json.loads(flasktop("ps", "--json", directory=directory).stdout)

    assert "GET /hang/<name>" in done.stdout
    assert [(app["app"], app["running"]) for app in found["apps"]] == [("shop", False)]
    assert [died["route"] for died in found["died"]] == ["/hang/<name>"]


def test_ps_without_apps_is_an_empty_list(directory: Path) -> None:
    """Nothing running is an answer; stderr says where was searched and how to switch it on."""
    done = flasktop("ps", directory=directory)

    assert (done.returncode, done.stdout) == (0, "")
    assert str(directory) in done.stderr and "FlaskTop(app)" in done.stderr
    assert json.loads(flasktop("ps", "--json", directory=directory).stdout)["apps"] == []


def test_ps_tells_of_a_directory_that_must_not_be_used(directory: Path) -> None:
    """Refused, with what to do."""
    directory.chmod(0o777)

    done = flasktop("ps", directory=directory)

    assert done.returncode == 3
    assert f"chmod 700 {directory}" in done.stderr


# -- exit codes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["snapshot"], ["snapshot", "shop"], ["snapshot", "4711"]])
def test_nothing_to_attach_to_is_3(directory: Path, arguments: list[str]) -> None:
    """And the hint says how to switch flasktop on."""
    done = flasktop(*arguments, directory=directory)

    assert (done.returncode, done.stdout) == (3, "")
    assert "FlaskTop(app)" in done.stderr


def test_an_ambiguous_target_is_2(directory: Path, worker: Worker) -> None:
    """Two apps and no name: the hint names both."""
    with running_worker(directory, "blog") as blog:
        done = flasktop("snapshot", directory=directory)

        assert (done.returncode, done.stdout) == (2, "")
        assert f"pid {worker.pid}" in done.stderr and f"pid {blog.pid}" in done.stderr
        assert snapshot(directory, "blog")["app"] == "blog"
        assert snapshot(directory, str(worker.pid))["app"] == "shop"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["snapshot", "--for", "-1"],
        ["attach", "--window", "2h"],
        ["attach", "a", "b"],
        ["completion", "c"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    """As everywhere."""
    assert flasktop(*arguments).returncode == 2


@asynchronous
async def test_another_version_is_3_with_the_reason(directory: Path) -> None:
    """Not "nothing runs" but why it cannot be read."""
    async with FakeWorker(directory, version=99):
        done = await asyncio.to_thread(flasktop, "snapshot", directory=directory)

        assert done.returncode == 3
        assert "newer" in done.stderr and "Update flasktop" in done.stderr


@asynchronous
async def test_an_interrupt_is_130(directory: Path) -> None:
    """Ctrl-C while collecting ends at once and without a traceback."""
    async with FakeWorker(directory) as worker:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "flasktop", "snapshot", "--for", "60", "--dir", str(directory)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        while not worker.subscriptions:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()

        assert (process.returncode, out.strip(), err.strip()) == (130, b"", b"")


@pytest.mark.parametrize("command", [["attach"], ["attach", "shop"]])
def test_attach_without_a_terminal_points_to_snapshot(command: list[str]) -> None:
    """A pipe or a cron job gets the way out."""
    done = flasktop(*command)

    assert (done.returncode, done.stdout) == (2, "")
    assert "flasktop snapshot" in done.stderr


def test_flask_top_is_attach() -> None:
    """``flask top`` takes the same and ends with the same code."""
    attach = cli.commands["attach"]

    assert [parameter.opts for parameter in flask_top.params] == [parameter.opts for parameter in attach.params]
    assert CliRunner().invoke(flask_top, []).exit_code == 2


def test_flask_knows_top() -> None:
    """It is registered with Flask's own command line, and needs no app there."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "top"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110
    )

    assert done.returncode == 2
    assert "flasktop snapshot" in done.stderr


# -- the rest ----------------------------------------------------------------------------------------------------


def test_the_version() -> None:
    """For bug reports."""
    assert flasktop("--version").stdout == f"flasktop {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    """Each shell gets its own script, on stdout and alone."""
    done = flasktop("completion", shell)

    assert (done.returncode, done.stderr) == (0, "")
    assert "_FLASKTOP_COMPLETE" in done.stdout and f"{shell}_complete" in done.stdout


def test_targets_are_completed(directory: Path, worker: Worker) -> None:
    """Names and pids of what runs."""

    def complete(words: str, number: int) -> list[str]:
        done = flasktop(
            directory=directory, _FLASKTOP_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(number)
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("flasktop snapshot ", 2) == ["shop", str(worker.pid)]
    assert complete("flasktop attach sh", 2) == ["shop"]
    assert "snapshot" in complete("flasktop s", 1)


def test_the_command_line_is_light() -> None:
    """Help and completion of commands load neither Textual nor asyncio nor the store."""
    script = (
        "import sys, flasktop.cli; print([m for m in ('textual', 'asyncio', 'msgspec', 'flask') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY)

    assert done.stdout == "[]\n"


def test_every_option_has_help() -> None:
    """Nobody has to guess."""
    undocumented = [
        (name, parameter.name)
        for name, command in cli.commands.items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]

    assert undocumented == []


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR wins even on a terminal."""
    monkeypatch.setenv("NO_COLOR", "1")

    @cli.command("paint-for-test")
    def paint() -> None:
        click.secho("x", fg="red")

    try:
        assert CliRunner().invoke(cli, ["paint-for-test"], color=True).output == "x\n"
    finally:
        del cli.commands["paint-for-test"]
