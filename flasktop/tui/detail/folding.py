"""A request's spans, folded: one row a statement, with its count and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flasktop.protocol.records import COMMIT, CONNECT, POOL_WAIT, ROLLBACK
from flasktop.stats.views import FoldedView, SpanView, StatementKey, TraceView
from flasktop.tui.draw.waterfall import Kind, Segment

_KINDS: Final[dict[str, Kind]] = {COMMIT: "commit", ROLLBACK: "commit", CONNECT: "connect", POOL_WAIT: "connect"}


@dataclass(frozen=True, slots=True)
class Group:
    """All spans of one statement in one request. ``beyond``: those past the cap, counted, without a place in time."""

    statement: StatementKey
    dialect: str
    function: str
    spans: tuple[SpanView, ...]
    beyond: FoldedView | None

    @property
    def count(self) -> int:
        return len(self.spans) + (self.beyond.count if self.beyond else 0)

    @property
    def errors(self) -> int:
        return sum(1 for span in self.spans if span.error) + (self.beyond.errors if self.beyond else 0)

    @property
    def error(self) -> str:
        """The class of the first error, empty for none that is known."""
        return next((span.error for span in self.spans if span.error), "")

    @property
    def execute_ms(self) -> float:
        return sum(span.execute_ms for span in self.spans) + (self.beyond.execute_ms if self.beyond else 0.0)

    @property
    def fetch_ms(self) -> float:
        return sum(span.fetch_ms for span in self.spans) + (self.beyond.fetch_ms if self.beyond else 0.0)

    @property
    def total_ms(self) -> float:
        return self.execute_ms + self.fetch_ms

    @property
    def rows(self) -> int | None:
        """Rows fetched; None where no span returns any."""
        known = [span.rows for span in self.spans if span.rows is not None]
        if self.beyond:
            known.append(self.beyond.rows)
        return sum(known) if known else None

    @property
    def batch(self) -> int:
        """The parameter sets of all ``executemany`` calls, 0 for none."""
        return sum(span.batch for span in self.spans)


def fold(trace: TraceView) -> tuple[Group, ...]:
    """The groups of a request, in the order in which each first ran; those without a place in time last."""
    spans: dict[StatementKey, list[SpanView]] = {}
    for span in sorted(trace.spans, key=lambda span: span.start_ms):
        spans.setdefault(span.statement, []).append(span)
    beyond = {folded.statement: folded for folded in trace.folded}
    groups = [
        Group(key, members[0].dialect, members[0].function, tuple(members), beyond.pop(key, None))
        for key, members in spans.items()
    ]
    return (*groups, *(Group(f.statement, f.dialect, f.function, (), f) for f in beyond.values()))


def segments(spans: tuple[SpanView, ...]) -> list[Segment]:
    """What the spans are on a lane: executing, then fetching.

    Fetching may be spread over a longer time than it took (a streamed result); it is drawn where it began.
    """
    made = []
    for span in spans:
        if span.execute_ms > 0 or span.fetch_ms <= 0:
            made.append(Segment(_KINDS.get(span.statement.kind, "execute"), span.start_ms, span.execute_ms))
        if span.fetch_ms > 0:
            made.append(Segment("fetch", span.start_ms + span.execute_ms, span.fetch_ms))
    return made
