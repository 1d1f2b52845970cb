"""How much memory the reader takes after an hour of traffic from many workers.

    python -m tests.benchmarks.bench_memory [--endpoints 2000] [--statements 10000] [--workers 32] [--rate 1000]
                                            [--seconds 3600]

Frames are made and encoded by a process of its own and come through a pipe; this process decodes, neutralises and
applies them, and looks at endpoints every half second and at statements every ten seconds of their time. Time is
compressed, not left out: every second of the hour is there. What is told is the whole process's RSS.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil

from flasktop.client.neutral import neutral_message
from flasktop.protocol.codec import decoder_for_reader, encode
from flasktop.protocol.events import CaughtUp, Defined, Framed, Joined
from flasktop.protocol.messages import Definitions, Frame
from flasktop.stats.store import Store
from flasktop.stats.views import Window
from tests.benchmarks.machine import described
from tests.benchmarks.traffic import Traffic, add_options
from tests.stats.builders import AT, NOW, Source

RECORD = struct.Struct("<HdI")
"""Worker, seconds from the start, length of what follows."""


def feed(options: argparse.Namespace, out: IO[bytes]) -> None:
    """Write all that the workers send."""
    traffic = Traffic(options)

    def put(worker: int, at: float, data: bytes) -> None:
        out.write(RECORD.pack(worker, at, len(data)) + data)

    for number, worker in enumerate(traffic.workers):
        source = worker.source
        for start in range(0, max(options.endpoints, options.statements), 1_000):
            routes, statements = source.routes[start : start + 1_000], source.statements[start : start + 1_000]
            put(number, 0.0, encode(Definitions(tuple(routes), tuple(statements))))
    numbers = {worker.source.pid: number for number, worker in enumerate(traffic.workers)}
    for second in range(options.seconds):
        for worker, data in traffic.second(second):
            put(numbers[worker.source.pid], second + 1.0, data)


def read(options: argparse.Namespace, pipe: IO[bytes]) -> None:
    """Take everything in, and say every ten minutes what it takes."""
    store, process = Store(), psutil.Process()
    sources = [Source(pid=100 + number) for number in range(options.workers)]
    decoders = [decoder_for_reader() for _ in sources]
    for source in sources:
        store.apply(Joined(source.id, source.hello(), 0.0))
        store.apply(CaughtUp(source.id, 0, AT))
    print("| after | traces | RSS |\n| --- | --- | --- |")
    last, traces, told = 0.0, 0, 0
    while head := pipe.read(RECORD.size):
        number, at, length = RECORD.unpack(head)
        for message in map(neutral_message, decoders[number].feed(pipe.read(length))):
            if isinstance(message, Definitions):
                store.apply(Defined(sources[number].id, message))
            elif isinstance(message, Frame):
                store.apply(Framed(sources[number].id, message, True))
                traces += len(message.traces)
        if at > last:
            last = at
            store.summary(NOW + at, Window.MINUTE)
            store.endpoints(NOW + at, Window.MINUTE)
            if int(at) % 10 == 0:
                store.queries(NOW + at, Window.MINUTE)
        if at - told >= 600 or at >= options.seconds > told:
            told = int(at)
            print(f"| {told:,} s | {traces:,} | {process.memory_info().rss / 1e6:.0f} MB |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, endpoints=2_000, statements=10_000, workers=32, rate=1_000)
    parser.add_argument("--seconds", type=int, default=3_600)
    parser.add_argument("--feed", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.feed:
        feed(options, sys.stdout.buffer)
        return
    print(described("flasktop", "msgspec"))
    print(f"{options.endpoints:,} endpoints, {options.statements:,} statements, {options.workers} workers\n")
    command = [sys.executable, "-m", "tests.benchmarks.bench_memory", *sys.argv[1:], "--feed"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        read(options, child.stdout)


if __name__ == "__main__":
    main()
