"""What grew between two heaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flasktop.protocol.commands.heap import HeapPart, HeapRow, HeapTaken
from flasktop.protocol.events import WorkerId
from flasktop.stats.heaps import TAKES, WORKERS, Division, Heaps, compare, lines_of

WORKER = WorkerId(4121, 7)

names = st.sampled_from(["dict", "str", "list", "shop.Quote", "tuple", "int"])
weights = st.lists(
    st.tuples(names, st.integers(1, 10**7), st.integers(16, 10**9)).map(lambda e: (e[0], e[1], max(e[2], 16 * e[1]))),
    max_size=8,
)


def made(entries: list[tuple[str, int, int]], *, total: int | None = None) -> Division:
    """A division of rows (name, count, bytes), the largest first as a worker sends them."""
    ordered = sorted(entries, key=lambda entry: -entry[2])
    rows = tuple(HeapRow(i, *entry) for i, entry in enumerate(ordered))
    return Division("type", rows, len(rows) if total is None else total)


def taken(entries: list[tuple[str, int, int]], *, requests: int = 0, number: int = 1) -> HeapTaken:
    division = made(entries)
    objects, size = sum(entry[1] for entry in entries), sum(entry[2] for entry in entries)
    return HeapTaken(
        number, 4121, 0.0, 11_000, 1.2, objects, size, requests, 10**8, division.total_rows, division.rows
    )  # fmt: skip


@given(weights, weights)
def test_what_grew_adds_up_to_the_difference_of_the_wholes(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]]
) -> None:
    """Nothing is counted twice, and nothing is left out, names that stand for two rows included."""
    lines = lines_of(made(after), sum(entry[2] for entry in after), made(before), 1000)

    assert sum(line.grown.bytes for line in lines if line.grown) == sum(e[2] for e in after) - sum(e[2] for e in before)
    assert sum(line.grown.count for line in lines if line.grown) == sum(e[1] for e in after) - sum(e[1] for e in before)


@given(weights)
def test_a_heap_did_not_grow_against_itself(entries: list[tuple[str, int, int]]) -> None:
    """Every row is there again, and none is gone."""
    lines = lines_of(made(entries), sum(entry[2] for entry in entries), made(entries), 10)

    assert len(lines) == len(entries)
    assert all(line.grown and (line.grown.count, line.grown.bytes) == (0, 0) for line in lines)


@given(weights, weights, st.integers(0, 5))
def test_a_bound_is_never_more_than_the_truth(
    before: list[tuple[str, int, int]], after: list[tuple[str, int, int]], listed: int
) -> None:
    """Where the earlier take listed its largest rows only, growth is said as the least it can be, or not at all."""
    whole = made([(f"{name}{i}", count, size) for i, (name, count, size) in enumerate(before)])
    short = Division("type", whole.rows[:listed], whole.total_rows)
    later = made([(f"{name}{i}", count, size) for i, (name, count, size) in enumerate(after)])
    truth = {line.name: line.grown for line in lines_of(later, 1, whole)}
    for line in lines_of(later, 1, short):
        true = truth[line.name]
        if line.grown is not None and true is not None:
            assert line.grown.bytes <= true.bytes
            assert line.grown.count <= true.count
            assert line.grown.at_least or line.grown == true


@given(weights)
def test_shares_run_up_to_the_whole(entries: list[tuple[str, int, int]]) -> None:
    """Each row's cumulative share is that of all rows up to it."""
    lines = lines_of(made(entries), sum(entry[2] for entry in entries))

    assert [line.cumulative for line in lines] == sorted(line.cumulative for line in lines)
    if lines:
        assert abs(lines[-1].cumulative - 1) < 1e-9


def test_growth_per_thousand_requests() -> None:
    """500 requests that leave one object each: a thousand leave a thousand."""
    heaps = Heaps()
    first = heaps.add(WORKER, taken([("shop.Quote", 10, 560)], requests=100))
    second = heaps.add(WORKER, taken([("shop.Quote", 510, 28_560)], requests=600))
    (line,) = compare(heaps.before(WORKER, second), second, "type")

    assert line.grown is not None
    assert (line.grown.count, line.grown.bytes) == (500, 28_000)
    assert (line.grown.per_1000, line.grown.bytes_per_1000) == (1000, 56_000)
    assert compare(None, first, "type")[0].grown is None


def test_without_requests_between_nothing_is_said_per_request() -> None:
    """Growth is, its rate is not."""
    heaps = Heaps()
    heaps.add(WORKER, taken([("str", 1, 50)], requests=7))
    second = heaps.add(WORKER, taken([("str", 3, 150)], requests=7))
    (line,) = compare(heaps.before(WORKER, second), second, "type")

    assert line.grown is not None
    assert (line.grown.count, line.grown.per_1000, line.grown.bytes_per_1000) == (2, None, None)


def test_a_mark_is_compared_with_until_it_is_taken_away() -> None:
    """Without one each take is compared with the one before it."""
    heaps = Heaps()
    first, second, third = (heaps.add(WORKER, taken([("str", i, i)])) for i in (1, 2, 3))
    assert heaps.before(WORKER, third) == second
    assert heaps.before(WORKER, first) is None

    heaps.mark(WORKER, first.number)
    assert heaps.before(WORKER, third) == first
    assert heaps.before(WORKER, first) is None

    heaps.mark(WORKER, second.number)
    assert heaps.before(WORKER, first) is None

    heaps.mark(WORKER, None)
    assert heaps.before(WORKER, third) == second


def test_takes_are_bounded_and_the_marked_one_stays() -> None:
    """Per worker, and over workers that come and go."""
    heaps = Heaps()
    first = heaps.add(WORKER, taken([("str", 1, 1)]))
    heaps.mark(WORKER, first.number)
    for _ in range(TAKES + 5):
        heaps.add(WORKER, taken([("str", 1, 1)]))
    assert len(heaps.takes(WORKER)) == TAKES + 1
    assert heaps.takes(WORKER)[0] == first

    for pid in range(WORKERS):
        heaps.add(WorkerId(pid, 1), taken([("str", 1, 1)]))
    assert heaps.newest(WORKER) is None
    assert heaps.marked(WORKER) is None


def test_a_division_that_comes_later_stays_with_its_take() -> None:
    """By module and by referrers are asked for after the take."""
    heaps = Heaps()
    take = heaps.add(WORKER, taken([("str", 1, 1)]))
    assert compare(None, take, "module") == ()

    heaps.divided(WORKER, take.number, HeapPart(1, "module", 1, 1, 1, (HeapRow(0, "builtins", 1, 1),)))
    kept = heaps.newest(WORKER)
    assert kept is not None
    assert [line.name for line in compare(None, kept, "module")] == ["builtins"]
