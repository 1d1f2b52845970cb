"""One worker's agent: takes what the hot path has finished, and does all that takes time in one native thread."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

from flasktop.agent import capacity, clock, figures, native
from flasktop.agent.commands.desk import Desk
from flasktop.agent.config import Settings
from flasktop.agent.guard import guard
from flasktop.agent.hot import Hot
from flasktop.agent.identity import hello, server_group, server_label, working_directory
from flasktop.agent.journal import Journal, layout_for
from flasktop.agent.libraries import install_sql
from flasktop.agent.loop import Loop
from flasktop.agent.meter import MASK, ending
from flasktop.agent.paths import Paths
from flasktop.agent.recorder import Recorder
from flasktop.agent.sampler import GcClock, SamplerLoader
from flasktop.agent.server import Server
from flasktop.agent.slots import release
from flasktop.agent.sql.executed import SEEN
from flasktop.agent.trace import RequestTrace, sink
from flasktop.agent.turn import Turn
from flasktop.protocol.messages import Hello, Totals
from flasktop.protocol.records import UNKNOWN
from flasktop.rendezvous import WorkerFiles, process_created

STOP_WAIT_S: Final = 0.1
PENDING_LIMIT: Final = 20_000
"""Finished requests that wait for the agent's thread; beyond, the newest are dropped and counted, now and then."""


class Agent(Hot):
    """One worker's agent. ``active`` is False where it could not start: requests then pass untouched.

    ``greenlet_now`` says which greenlet runs, where threads are greenlets; ``hub_thread`` is the ident of the native
    thread that runs them all, and ``hub_native`` what the system calls it. ``ours[0]`` is 0 in a forked child.
    ``stopping`` asks its thread to end; ``special`` says that the next request needs more than most to begin:
    an agent that is not ``active`` is always so.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ours = native.fork_mark()
        self.active = False
        self.metering = False
        self.special = True
        self.greenlet_now: Callable[[], weakref.ref[Any]] | None = None
        self.hub_thread = self.hub_native = 0
        self.capacity = UNKNOWN
        self.pending = deque()
        self.dropped = 0
        self.running = []
        self.killed: deque[tuple[float, int]] = deque()
        self.paths: Paths
        self._undoing: list[Callable[[], None]] = []
        self.gc_clock = GcClock()
        self.turn = Turn(lambda: None)
        self.stopping = False
        self._stopped = native.original("_thread", "allocate_lock")()

    # -- starting --

    def start(self, settings: Settings, environ: dict[str, Any], apps: list[str], roots: list[str]) -> None:
        """Make the journal and the socket and start the thread.

        Raises:
            FlasktopError, OSError: there is no place for them; the agent then stays inactive.
        """
        self.settings = settings
        self.apps = apps
        self.roots = roots
        self.started_at = time.time()
        self._greenlets = native.greenlets()
        self.hub = native.hub()
        if self._greenlets:
            self.greenlet_now = native.current_greenlet()
        self.hub_thread = native.original("_thread", "get_ident")()
        self.hub_native = native.original("_thread", "get_native_id")()
        self._environ_label = server_label(environ, self._greenlets)
        self.capacity = capacity.known(environ, self._greenlets)
        self._loop = Loop(self)  # here: what is not patched is not to be looked for in a native thread
        self._process_started = self.started_at
        self._group = self.pid
        self._directory = working_directory()
        self.paths = Paths(settings.dir or None, self.pid, self.started_at)
        self.running = [None] * settings.max_in_flight
        try:
            self._open(settings)
        except BaseException:
            self._undo()
            raise
        atexit.register(self.stop)

    def _open(self, settings: Settings) -> None:
        self._undoing.append(lambda: self.paths.remove(journal=True))
        listener = self.paths.bind()
        self._undoing.append(listener.close)
        self.journal = Journal(self.files.journal, layout_for(settings.history_bytes, settings.max_in_flight))
        self.paths.claim_journal()
        self.recorder = Recorder(self.journal, settings, self)
        self.server = Server(
            self.journal,
            self._hello,
            self._totals,
            lambda: self.recorder.next_number,
            settings.max_readers,
            lambda wake: Desk(self, settings.grants, wake),
        )
        self._undoing.append(self.server.abandon)
        self.server.listen(listener)
        self.turn = Turn(self.server.wake)
        self.journal.write_hello(self._hello())
        self.journal.alive(time.time(), time.perf_counter())
        self.gc_clock.install()
        self._undoing.append(self.gc_clock.remove)
        # Before the thread: where two import at once, a greenlet gives way, and the next request finds no agent yet.
        install_sql(self.roots)
        if self._greenlets and figures.need_psutil():
            __import__("psutil")  # its locks must not be made by a native thread under greenlets
        sink.span_cap = settings.max_spans
        sink.seen_cap = SEEN if "explain" in settings.grants else 0
        sink.active = self.active = True
        self.special = self.greenlet_now is not None
        self._stopped.acquire()
        native.start_thread(self._run)

    def _undo(self) -> None:
        """Leave nothing of a start that failed."""
        sink.active = self.active = False
        self.special = True
        while self._undoing:
            with contextlib.suppress(OSError):
                self._undoing.pop()()

    def switch_off(self) -> None:
        """Record nothing more in this process."""
        sink.active = self.active = False
        self.special = True
        sink.seen_cap = 0
        self.pending.clear()
        sink.outside.clear()

    @property
    def files(self) -> WorkerFiles:
        """Where the worker's socket and journal are."""
        return self.paths.files

    def _hello(self) -> Hello:
        return hello(
            self.pid,
            process_started=self._process_started,
            agent_started=self.started_at,
            apps=self.apps,
            group=self._group,
            server=self._environ_label,
            directory=self._directory,
            grants=self.settings.grants,
        )

    def _totals(self) -> list[Totals]:
        self.recorder.drain()
        return self.recorder.totals.complete_parts()

    # -- the hot path's end of it --

    def end(self, trace: RequestTrace) -> None:
        """Take a request that has ended; its slot is free again. Never raises."""
        if trace.end_ns:
            return  # its body is closed twice
        end_ns = trace.end_ns = perf_counter_ns()
        took_ns = end_ns - trace.start_ns
        clock.ended(trace, took_ns)
        if not self.ours[0]:
            return  # a request that forked ends in both processes; it belongs to the parent
        try:
            release(self, trace)
        except Exception as error:  # noqa: BLE001 - the guard's: at the interpreter's end the file may be closed
            self.failed(error)
        self.pending.append(trace)
        self.attend(trace, None)

    def failed(self, error: Exception) -> None:
        """The end of a request could not be noted."""
        guard.report("ending a request", error)
        if guard.off("ending a request"):
            self.switch_off()

    def attend(self, trace: RequestTrace, callbacks: list[Callable[[], object]] | None) -> None:
        """Now and then a request that has ended does more.

        One in 16, by chance: it tells how long its end took, has the next to begin timed, and the next of its rule
        sampled where those ask a database, and sees to it that not too many wait for the agent's thread. And it steps
        aside where that is due: after the server has called ``callbacks``, the answer's, since the visitor must not
        wait for that.
        """
        end_ns = trace.end_ns
        if not (end_ns - trace.start_ns) & MASK:
            self.metering = self.special = True
            if trace.rule is not None and trace.rule.asks:
                trace.rule.change(trace.rule.credit, True)
            while len(self.pending) > PENDING_LIMIT:
                self.pending.pop()
                self.dropped += 1
            ending.append(perf_counter_ns() - end_ns)
        if end_ns > self.turn.due_ns:
            if callbacks is None:
                self.turn.offer()
            else:
                callbacks.append(self.turn.sent)

    def drop(self, trace: RequestTrace) -> None:
        """End a request whose body was dropped and never closed, when it was answered. In the agent's thread."""
        if trace.end_ns:
            return  # closed, and gone, since it was looked up
        trace.end_ns = max(trace.first_byte_ns, trace.start_ns + 1)
        release(self, trace)
        self.pending.append(trace)

    # -- the thread --

    def _run(self) -> None:
        try:
            self._introduce()
            self._loop.run(SamplerLoader(self.gc_clock, self.held_bytes))
        except BaseException as error:  # noqa: BLE001 - the thread's last line: the app must not see it
            guard.report("the agent's thread", error)
        finally:
            self._end()

    def _introduce(self) -> None:
        """Find out what readers are told first."""
        try:
            self._process_started = process_created(self.pid) or self.started_at
            self._group = server_group()
            self.journal.write_hello(self._hello())
        except Exception as error:  # noqa: BLE001 - the guard's: requests are still shown
            guard.report("introducing the process", error)

    def held_bytes(self) -> int:
        """An estimate of what the agent holds: the journal file and its tables."""
        return self.journal.layout.size + self.recorder.held_bytes

    # -- the end --

    def stop(self) -> None:
        """End cleanly; waits at most ``STOP_WAIT_S`` for the thread. Called at exit."""
        if self.pid != os.getpid() or self.stopping or not self._undoing:
            return
        self.stopping = True
        self.server.wake()
        if not self._stopped.acquire(True, STOP_WAIT_S):
            self._leave()  # the thread is still busy, say with loading psutil; the files must not outlive us

    def _end(self) -> None:
        try:
            sink.active = self.active = False
            self.special = True
            sink.seen_cap, sink.rouse = 0, None
            self.turn.over(None)
            self.gc_clock.remove()
            self.recorder.drain()
            self._leave()  # before the good-byes, which readers may take long to take
            self.server.close("the worker ended")
            self.pending.clear()
        except Exception as error:  # noqa: BLE001 - the interpreter may be half gone
            guard.report("ending", error)
        finally:
            self._stopped.release()

    def _leave(self) -> None:
        """Remove our files; the journal stays as a black box where a request dies with us, or the thread failed."""
        self.paths.remove(journal=self.journal.nobody_in_flight and self.stopping)

    def abandon(self) -> None:
        """In a forked child: close what was inherited, touch nothing that is shared with the parent."""
        if self.active:
            self.active = False
            self.special = True
            sink.rouse = None
            self.gc_clock.remove()
            self.server.abandon()
