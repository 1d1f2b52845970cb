"""From when on a number is worth colour: (warn, bad) each. Below, it stays plain."""

from __future__ import annotations

from typing import Final

LATENCY_MS: Final = (100.0, 500.0)
"""A person notices a tenth of a second, and waits at half of one. Source: Nielsen, response time limits."""

ERRORS: Final = (0.000001, 0.01)
"""Share of requests or calls that failed: any is worth a look, one in a hundred is bad."""

STATEMENTS: Final = (10.0, 250.0)
"""SQL statements a request."""

STATEMENT_MS: Final = (50.0, 250.0)
"""One statement."""

CPU_PERCENT: Final = (80.0, 95.0)
"""Of one core, of one worker: a Python process can hardly use more."""

RSS_GROWTH: Final = 5_000_000.0
"""Bytes an hour from which on memory that grows is worth a word; less is an allocator's ebb and flow."""

OVER_P95: Final = (1.0, 5.0)
"""A request in flight by its endpoint's own p95: past it is slow for this endpoint, five times it out of line."""
