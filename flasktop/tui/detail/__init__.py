"""The drill-down: one endpoint, one request, one statement. Enter goes deeper, Esc comes back to the same row."""

from __future__ import annotations

from flasktop.tui.detail.endpoint import EndpointScreen
from flasktop.tui.detail.statement import StatementScreen
from flasktop.tui.detail.trace import TraceScreen

__all__ = ["EndpointScreen", "StatementScreen", "TraceScreen"]
