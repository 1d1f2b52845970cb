from __future__ import annotations

from msgspec.structs import replace

from flasktop.tui.detail.folding import fold, segments
from tests.tui.detail.synthetic import lazy_key, list_key, orders_trace, rollback_key

CODE = "/srv/shop/views.py"


def test_the_same_statement_is_one_row_with_its_count() -> None:
    """A hundred lazy loads between a list and a roll-back are three rows."""
    groups = fold(orders_trace(CODE, 0))

    assert [(group.statement, group.count) for group in groups] == [
        (list_key(CODE), 1),
        (lazy_key(CODE), 100),
        (rollback_key(), 1),
    ]


def test_times_and_rows_are_sums() -> None:
    """Nothing is lost by folding."""
    trace = orders_trace(CODE, 0)
    groups = fold(trace)

    assert abs(sum(group.total_ms for group in groups) - sum(span.duration_ms for span in trace.spans)) < 1e-6
    assert groups[1].rows == 100
    assert groups[2].rows is None


def test_spans_beyond_the_cap_count_too() -> None:
    """The agent kept exact counts and times for them."""
    group = fold(orders_trace(CODE, 0, items=60, beyond=940))[1]

    assert group.count == 1000
    assert group.rows == 1000
    assert len(group.spans) == 60


def test_statements_known_only_beyond_the_cap_have_a_row() -> None:
    """They come last: nobody knows when they ran."""
    trace = orders_trace(CODE, 0, items=1, beyond=5)
    trace = replace(trace, spans=tuple(span for span in trace.spans if span.statement != lazy_key(CODE)))

    assert [(group.statement, group.count) for group in fold(trace)][-1] == (lazy_key(CODE), 5)


def test_interleaved_statements_fold_as_well() -> None:
    """Two lazy loads for each row: two rows of a hundred, not two hundred of one.

    (The second one is each span's twin, the list's and the roll-back's too.)
    """
    trace = orders_trace(CODE, 0)
    other = lazy_key(CODE)._replace(line=15)
    twice = tuple(s for span in trace.spans for s in (span, replace(span, statement=other, start_ms=span.start_ms + 1)))

    assert sorted(group.count for group in fold(replace(trace, spans=twice)))[-2:] == [100, 102]


def test_a_commit_is_drawn_as_other_than_a_statement() -> None:
    """COMMIT, ROLLBACK and waiting for the pool have their own colour."""
    groups = fold(orders_trace(CODE, 0))

    assert {segment.kind for segment in segments(groups[2].spans)} == {"commit"}
    assert {segment.kind for segment in segments(groups[1].spans)} == {"execute", "fetch"}
