"""Workers that talk over real sockets, in a process of their own: a history as long as asked for, then live frames.

    python -m tests.benchmarks.wire DIRECTORY [--workers 4] [--rate 5000] [--journal-bytes 1000000] [--history 60]

Says ``ready`` when it listens, and ends with its stdin. All workers have the same history: it is made once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import copy
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from flasktop.protocol.codec import decoder_for_worker, encode
from flasktop.protocol.messages import Caught, Definitions, Hello, Subscribe
from flasktop.rendezvous import WorkerFiles, bind
from tests.benchmarks.traffic import FRAMES, Traffic, WireWorker, add_options
from tests.stats.builders import Source, make_hello

GROUP = 4242
BYTES_EACH = 270
"""About so many bytes of a journal a trace takes, with its part of the totals."""


class Served:
    """One worker with a socket: ``history`` is (seconds from the traffic's start, encoded frame), oldest first."""

    def __init__(self, traffic: Traffic, worker: WireWorker, files: WorkerFiles) -> None:
        self.traffic, self.worker, self.files = traffic, worker, files
        self.history: list[tuple[float, bytes]] = []
        self.definitions: list[bytes] = []
        """As in an agent they are encoded once, when a name is met first."""
        self._readers: list[asyncio.StreamWriter] = []

    async def listen(self) -> None:
        """Serve from now on."""
        await asyncio.start_unix_server(self._serve, sock=bind(self.files.socket, socket.socket))

    def say(self, frame: bytes) -> None:
        """Send a live frame to whoever has caught up."""
        self._readers = [writer for writer in self._readers if not writer.is_closing()]
        for writer in self._readers:
            writer.write(frame)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started = self.files.started_ms / 1_000
        writer.write(encode(_hello(started)))
        wishes: list[Subscribe] = []
        decoder = decoder_for_worker()
        while not wishes and not reader.at_eof():
            wishes = [said for said in decoder.feed(await reader.read(4_096)) if isinstance(said, Subscribe)]
        if not wishes:
            return
        for piece in self.definitions:
            writer.write(piece)
        writer.write(encode(self.worker.totals(complete=True)))
        since = time.monotonic() - self.traffic.start - wishes[0].history_s
        newest = [frame for mono, frame in self.history if mono >= since]
        for frame in newest:
            writer.write(frame)
            await writer.drain()
        writer.write(encode(Caught(self.worker.number, self.traffic.at)))
        self._readers.append(writer)
        for _, frame in reversed(self.history[: len(self.history) - len(newest)] if wishes[0].backfill else []):
            writer.write(frame)
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()


def _definitions(source: Source) -> Iterator[bytes]:
    for start in range(0, max(len(source.routes), len(source.statements)), 1_000):
        routes, statements = source.routes[start : start + 1_000], source.statements[start : start + 1_000]
        yield encode(Definitions(tuple(routes), tuple(statements)))


def _hello(started: float) -> Hello:
    hello = make_hello(os.getpid(), mono=time.monotonic(), at=time.time(), age_s=time.time() - started)
    return msgspec.structs.replace(hello, agent_started_at=started, group=GROUP)


async def serve(options: argparse.Namespace) -> None:
    """Make the history, listen, and go on."""
    lasting = options.history
    traffic = Traffic(options, start=time.monotonic() - lasting, at=time.time() - lasting)
    first = traffic.workers[0]
    history: list[tuple[float, bytes]] = []
    per_frame = options.journal_bytes / BYTES_EACH / (lasting * FRAMES)
    due, written = 0.0, 0
    for number in range(int(lasting * FRAMES)):
        due += per_frame
        count, due = int(due), due - int(due)
        mono = (number + 1) / FRAMES
        history.append((mono, traffic.frame(first, mono, count, number % FRAMES == FRAMES - 1)))
        written += len(history[-1][1])
    traffic.start, traffic.at = time.monotonic() - lasting, time.time() - lasting  # making it took its time
    born = int(time.time() * 1_000) - 600_000
    served = []
    definitions = list(_definitions(first.source))
    for number, worker in enumerate(traffic.workers):
        worker.number, worker.seq = first.number, first.seq
        worker.routes, worker.statements = copy.deepcopy(first.routes), copy.deepcopy(first.statements)
        served.append(Served(traffic, worker, WorkerFiles(Path(options.directory), os.getpid(), born + number)))
        served[-1].history, served[-1].definitions = history, definitions
        await served[-1].listen()
    print(f"ready {written} {first.number}", flush=True)
    await _live(traffic, served, options.rate)


async def _live(traffic: Traffic, served: list[Served], rate: int) -> None:
    per_frame, due, tick = rate / (FRAMES * len(served)), 0.0, 0
    begun = time.monotonic()
    while True:
        tick += 1
        for worker in served:
            due += per_frame
            count, due = int(due), due - int(due)
            now = time.monotonic() - traffic.start
            worker.say(traffic.frame(worker.worker, now, count, tick % FRAMES == 0))
        await asyncio.sleep(max(0.0, begun + tick / FRAMES - time.monotonic()))


@contextlib.contextmanager
def workers(directory: Path, **options: object) -> Iterator[tuple[int, int]]:
    """Run the workers in a process of their own; gives the bytes and traces of each one's history."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.wire", str(directory), *arguments],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said, written, traces = process.stdout.readline().split()
        assert said == "ready"
        yield int(written), int(traces)
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    add_options(parser, endpoints=500, statements=2_500, workers=4, rate=5_000)
    parser.add_argument("--journal-bytes", type=int, default=1_000_000, help="size of each worker's history")
    parser.add_argument("--history", type=float, default=60.0, help="seconds that the history spans")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
