from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flasktop.client.ask import CommandFailedError
from flasktop.client.evidence import EvidenceFetcher
from flasktop.findings.evidence import (
    FRESH_S,
    KEPT,
    REFUSED_S,
    EvidenceBook,
    PlanNeed,
    ShapeNeed,
    StackNeed,
    Unavailable,
)
from flasktop.findings.sql.model import Shape
from flasktop.protocol.commands import NOT_GRANTED
from flasktop.stats.store import Store
from flasktop.stats.views import EndpointKey
from tests.stats.builders import NOW, Source

TEXT = ShapeNeed("SELECT a FROM t WHERE b = ?", "sqlite")


class Asked:
    """A source whose workers fail each command as they are told to."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def ask(self, *arguments: Any) -> Any:
        raise self.failure


def known(failure: Exception) -> tuple[EvidenceFetcher, PlanNeed]:
    """A fetcher over a store with one statement, whose worker fails to plan it."""
    source, store = Source(pid=11), Store()
    source.route("GET", "/orders")
    source.statement("SELECT 1")
    store.apply(source.joined())
    store.apply(source.defined())
    (key,) = (info.key for info in store._rows.statements if info.key.text == "SELECT 1")
    return EvidenceFetcher(store, Asked(failure), lambda: NOW), PlanNeed(key)


def test_evidence_is_kept_until_it_is_stale_and_a_refusal_for_a_shorter_time() -> None:
    book = EvidenceBook()
    assert book.wanted(TEXT, 0.0)
    book.put(TEXT, Shape("select", ()), 0.0)
    refused = StackNeed(EndpointKey("shop", "GET", "/"))
    book.put(refused, Unavailable("no"), 0.0)

    assert not book.wanted(TEXT, FRESH_S) and book.wanted(TEXT, FRESH_S + 1)
    assert not book.wanted(refused, REFUSED_S) and book.wanted(refused, REFUSED_S + 1)


def test_the_book_is_bounded_and_the_oldest_go() -> None:
    book = EvidenceBook()
    needs = [ShapeNeed(f"SELECT {number}", "sqlite") for number in range(KEPT + 1)]
    for need in needs:
        book.put(need, Shape("select", ()), 0.0)

    assert book.get(needs[0], Shape) is None
    assert isinstance(book.get(needs[-1], Shape), Shape)


def test_what_a_worker_refuses_is_evidence_with_its_reason() -> None:
    fetcher, need = known(CommandFailedError("The app does not allow it.", "Set FLASKTOP_GRANTS.", NOT_GRANTED))
    asyncio.run(fetcher.fetch(need))

    assert fetcher.book.get(need, object) == Unavailable(
        "The app does not allow it.", "Set FLASKTOP_GRANTS.", NOT_GRANTED
    )
    assert not fetcher.faults and not fetcher.busy


def test_a_fault_of_ours_is_told_and_raises_nothing() -> None:
    """The screen goes on, and a check does not pass because of it."""
    fetcher, need = known(ZeroDivisionError("by nought"))
    asyncio.run(fetcher.fetch(need))

    assert list(fetcher.faults.values()) == ["Evidence could not be fetched (PlanNeed): ZeroDivisionError: by nought"]
    assert isinstance(fetcher.book.get(need, object), Unavailable)
    assert fetcher.due((need,)) == ()


@pytest.mark.parametrize("text", ["", "SELECT (", "x" * 100_000, "SELECT '", "\x00"])
def test_a_statement_that_nobody_understands_is_no_fault(text: str) -> None:
    fetcher = EvidenceFetcher(Store(), Asked(RuntimeError()), lambda: NOW)
    need = ShapeNeed(text, "sqlite")
    asyncio.run(fetcher.fetch(need))

    assert not fetcher.faults
    assert fetcher.book.get(need, Shape) is not None
