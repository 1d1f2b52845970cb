"""Where workers and readers meet: directories, file names, permissions, peer checks and the sweep of what is stale.

Used on both ends, also in the app's process: the standard library and msgspec, nothing slow at import, and ``_socket``
instead of ``socket``, which gevent may have replaced. The boundary is the user: see ``flasktop.rendezvous.places``.
"""

from __future__ import annotations

from flasktop.rendezvous.files import (
    Claim,
    WorkerFiles,
    bind,
    check_length,
    claim,
    holds,
    listening,
    remove,
    scan,
    sweep,
)
from flasktop.rendezvous.peers import check_peer, peer_pid, peer_uid, process_alive, process_created, process_stopped
from flasktop.rendezvous.places import DIRECTORY_VARIABLE, Place, reader_directories, server_directory

__all__ = [
    "DIRECTORY_VARIABLE",
    "Claim",
    "Place",
    "WorkerFiles",
    "bind",
    "check_length",
    "check_peer",
    "claim",
    "holds",
    "listening",
    "peer_pid",
    "peer_uid",
    "process_alive",
    "process_created",
    "process_stopped",
    "reader_directories",
    "remove",
    "scan",
    "server_directory",
    "sweep",
]
