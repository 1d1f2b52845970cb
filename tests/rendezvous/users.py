"""Other users for tests of permissions: they need root, and skip without it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
assert tempfile  # imported now: another user may not be able to read the interpreter's library


@contextmanager
def as_user(uid: int = NOBODY) -> Iterator[None]:
    """Run the block with another effective uid (files made, sockets listened on and permissions are that user's)."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run the block under another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
