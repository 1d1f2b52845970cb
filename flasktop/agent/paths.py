"""The worker's two paths, socket and journal: claimed, made again where they vanish, removed at the end."""

from __future__ import annotations

import _socket
import os

from flasktop import rendezvous
from flasktop.agent import native
from flasktop.agent.guard import guard
from flasktop.agent.journal import Journal
from flasktop.agent.server import Server
from flasktop.agent.trace import RequestTrace
from flasktop.errors import FlasktopError


class Paths:
    """Where the worker is found. Temporary folders are swept: what vanishes is made again (``keep_...``).

    Raises:
        RendezvousError, OSError: there is no place for them.
    """

    def __init__(self, directory: str | None, pid: int, started_at: float) -> None:
        self._wanted = directory
        place = rendezvous.server_directory(directory, warn=lambda refusal: guard.say(str(refusal)))
        rendezvous.sweep(place)
        self.files = rendezvous.WorkerFiles(place, pid, int(started_at * 1000))
        self._socket: rendezvous.Claim | None = None
        self._journal: rendezvous.Claim | None = None

    def bind(self) -> _socket.socket:
        """A listening socket at the socket's path."""
        listener = rendezvous.bind(self.files.socket, native.socket)
        try:
            self._socket = rendezvous.claim(self.files.socket)
        except BaseException:
            listener.close()
            raise
        return listener

    def claim_journal(self) -> None:
        """The journal's file has been made: it is ours to keep and to remove."""
        self._journal = rendezvous.claim(self.files.journal)

    def keep_journal(self, journal: Journal, running: list[RequestTrace | None]) -> None:
        """Go on in a new file where the path has vanished."""
        if self._journal is not None and rendezvous.holds(self._journal):
            return
        self._find_directory()
        journal.move(self.files.journal)
        self.claim_journal()
        for slot, trace in enumerate(running):
            if trace is None:  # it may have ended while the file was copied
                journal.blank(slot)

    def keep_socket(self, server: Server) -> None:
        """Bind again where the path has vanished."""
        if self._socket is not None and rendezvous.holds(self._socket):
            return
        self._find_directory()
        server.listen(self.bind())

    def touch(self) -> None:
        """Look used to what sweeps temporary folders by age."""
        for path in (self.files.socket, self.files.journal, self.files.directory):
            os.utime(path)

    def remove(self, *, journal: bool) -> None:
        """Remove the socket, and the journal too where nothing in it outlives the worker."""
        if self._socket is not None:
            rendezvous.remove(self._socket)
        if journal and self._journal is not None:
            rendezvous.remove(self._journal)

    def _find_directory(self) -> None:
        """Make the directory again; another one where its parent has gone, too (a user's, when they log out)."""
        try:
            rendezvous.server_directory(str(self.files.directory))
        except FlasktopError:
            directory = rendezvous.server_directory(self._wanted)
            self.files = rendezvous.WorkerFiles(directory, self.files.pid, self.files.started_ms)
