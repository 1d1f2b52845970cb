"""The shop's server: a master that keeps two forked workers on the socket that it inherits.

Started by ``flasktop.demo.server`` as ``python -m flasktop.demo.master FD READY_FD DATABASE_URL DIRECTORY``. Workers
that are killed are forked again, as under any grown-up server: killing one is part of the demo.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from flasktop.demo import lifeline

WORKERS = 2
LOOK_SECONDS = 0.25
STOP_SECONDS = 2.0


class Master:
    """Forks and keeps the workers; has no threads, so that forking is safe."""

    def __init__(self, directory: Path) -> None:
        self.failed = False
        self._directory = directory
        self._workers: set[int] = set()
        self._stopping = False

    def run(self) -> bool:
        """Keep the workers until told to end; True in each forked worker, at once, and False in the master."""
        signal.signal(signal.SIGTERM, self._stop)
        orphaned = False
        while not self._stopping and not orphaned:
            while len(self._workers) < WORKERS:
                pid = os.fork()
                if pid == 0:
                    return True
                self._workers.add(pid)
            readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
            orphaned = bool(readable) and not lifeline.read()
            self._reap()
        self._end_workers()
        if orphaned:
            lifeline.remove(self._directory)
        return False

    def _stop(self, _signal: int, _frame: object) -> None:
        self._stopping = True

    def _reap(self) -> None:
        for pid in tuple(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._workers.discard(pid)
                if os.waitstatus_to_exitcode(status) > 0:  # one that gives up would give up again
                    self.failed = self._stopping = True

    def _end_workers(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)
        while self._workers and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def serve(listening: int, ready: int, database_url: str, directory: Path) -> None:
    """Serve as one worker until SIGTERM or until the parent is gone; say on the file ``ready`` that it begins."""
    lifeline.hold(directory)

    from werkzeug.serving import WSGIRequestHandler, make_server

    from flasktop.demo.shop import create_app

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """The traffic is seen in flasktop; a line a request would only fill the disk."""

    app = create_app(database_url)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, fd=listening)
    with suppress(BrokenPipeError):  # nobody waits for a worker that replaces another
        os.write(ready, b"\n")
    os.close(ready)
    server.serve_forever()


def main(arguments: list[str]) -> int:
    listening, ready, database_url, directory = arguments
    master = Master(Path(directory))
    if master.run():
        serve(int(listening), int(ready), database_url, Path(directory))
        return 0
    return 1 if master.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
