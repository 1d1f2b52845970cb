"""A worker whose heap is taken over its socket, as a reader does."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from flasktop.client.ask import Address, ask
from flasktop.protocol.commands import Command, Working
from flasktop.protocol.commands.heap import HeapPart, HeapTaken, Step, TakeHeap, WalkHeap
from flasktop.protocol.records import Message
from flasktop.rendezvous import scan
from tests.agent.support import until

REPOSITORY = Path(__file__).parents[3]
A = TypeVar("A", bound=Message)


class Worker:
    """A live worker, and what a reader asks of it."""

    def __init__(self, directory: Path, scratch: Path, assignments: Sequence[str], **environment: str) -> None:
        self.scratch = scratch
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.agent.heap.worker", *assignments],
            cwd=REPOSITORY,
            env={**os.environ, "FLASKTOP_DIR": str(directory), "HEAP_SCRATCH": str(scratch), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid
        assert self._line() == "ready"
        (files,) = scan(directory)
        self.address = Address(files.socket, os.geteuid(), self.pid, files.started_ms)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._line()

    def ask(self, command: Command, answer: type[A], on_working: Callable[[Working], None] | None = None) -> A:
        return asyncio.run(ask(self.address, command, answer, on_working))

    def take(self) -> HeapTaken:
        return self.ask(TakeHeap(), HeapTaken)

    def walk(self, take: int, by: str, *steps: Step, limit: int = 200) -> HeapPart:
        return self.ask(WalkHeap(take, steps, by, limit), HeapPart)  # type: ignore[arg-type]

    def row(self, take: int, name: str, by: str = "type", *steps: Step) -> Step:
        """The step to the row of that name."""
        (found,) = (row for row in self.walk(take, by, *steps, limit=1000).rows if row.name == name)
        return Step(by, found.index)  # type: ignore[arg-type]

    @property
    def copies(self) -> list[psutil.Process]:
        """Its frozen copies, zombies among them."""
        return psutil.Process(self.pid).children()

    def copy(self) -> psutil.Process:
        (copy,) = self.copies
        return copy

    def settled(self) -> None:
        """Wait until nothing of a copy is left."""
        until(lambda: not self.copies)


Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a worker; killed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="fth-", dir="/tmp"))
    workers: list[Worker] = []

    def begin(*assignments: str, **environment: str) -> Worker:
        workers.append(Worker(directory, tmp_path, assignments, **environment))
        return workers[-1]

    yield begin
    for worker in workers:
        worker.process.kill()
        worker.process.communicate()
    shutil.rmtree(directory)


@pytest.fixture
def worker(start: Start) -> Worker:
    """One whose copies are not niced: beside other tests, on a machine with few processors, they would hardly run."""
    return start("flasktop.agent.heap.child:NICENESS=0")
