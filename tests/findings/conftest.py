from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flasktop.agent.sql import hooks
from tests.agent.conftest import box, directory, world
from tests.agent.sql.conftest import server, sqlite
from tests.agent.support import Box
from tests.findings.watched import Watched

__all__ = ["box", "directory", "server", "sqlite", "world"]


@pytest.fixture
def watch(box: Box) -> Iterator[Callable[..., Watched]]:
    """Make a watched app with a configuration."""

    def make(**config: Any) -> Watched:
        return Watched(box, **config)

    yield make
    hooks.uninstall()


@pytest.fixture
def watched(watch: Callable[..., Watched]) -> Watched:
    """A watched app with the usual configuration."""
    return watch()
