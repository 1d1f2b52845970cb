"""The mark of a row that a finding concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flasktop.findings.model import Severity
from flasktop.tui.columns import Column
from flasktop.tui.draw.severity import mark

R = TypeVar("R")


def mark_column(severity_of: Callable[[R], Severity | None]) -> Column[R]:
    """One cell before the others: how bad the worst finding about the row is (6 lists them)."""
    return Column(
        "finding", "!", 1, 0, lambda row, width, palette: mark(severity_of(row), palette), severity_of,
        "How bad the worst finding about it is", right=False,
    )  # fmt: skip
