"""What a request typically takes, told so that a busy machine does not blow it up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flasktop.findings.facts import ENOUGH
from flasktop.stats.views import TraceView


def lower_quartile(values: Iterable[float]) -> float:
    """Three of four values are as great or greater; 0 of fewer than ``ENOUGH``. What others make a request wait for
    comes and goes; what it does itself is in (nearly) all of them.

    >>> lower_quartile([900, 300, 310, 5000, 320]), lower_quartile([300, 310])
    (310, 0.0)
    """
    known = sorted(values)
    return known[len(known) // 4] if len(known) >= ENOUGH else 0.0


def waits_before_answer(traces: Sequence[TraceView]) -> list[float]:
    """Of each request whose CPU is known, the milliseconds that it waited outside SQL before its first byte, at least:
    all that passed after it may have been waiting, too, and is left out."""
    return [max(trace.wait_ms - _after_first_byte(trace), 0.0) for trace in traces if trace.wait_ms is not None]


def own_cpu(traces: Sequence[TraceView]) -> list[float]:
    """Of each request whose CPU is known, the milliseconds that it computed outside SQL."""
    return [trace.split.cpu for trace in traces if trace.cpu_ms is not None]


def _after_first_byte(trace: TraceView) -> float:
    return 0.0 if trace.first_byte_ms is None else trace.duration_ms - trace.first_byte_ms
