"""The ids that a worker gives to what ran."""

from __future__ import annotations

import gc

import pytest

from flasktop.agent import tables
from flasktop.agent.config import Settings
from flasktop.agent.engine import Engine, LazyIdentity, SpanIdentity
from flasktop.agent.tables import Statements

ENGINE = Engine("sqlite://", "sqlite")


def identity(text: str) -> SpanIdentity:
    return SpanIdentity("statement", text, ENGINE, None, 0)


def table() -> Statements:
    return Statements(lambda _definitions, _last: True, Settings())


def test_what_runs_again_has_the_same_id_whether_it_is_the_same_object_or_not() -> None:
    ours = table()
    first = identity("SELECT 1 + a FROM t")
    ids = [ours.id(one) for one in (first, first, identity("SELECT 1 + a FROM t"), identity("SELECT b FROM t"))]

    assert ids == [0, 0, 0, 1]


def test_an_id_is_not_taken_for_one_of_another_table() -> None:
    """A forked worker's spans have identities that the parent's table has seen."""
    both = [identity("SELECT a FROM t"), identity("SELECT b FROM t")]
    parent, child = table(), table()

    assert [parent.id(one) for one in both] == [0, 1]
    assert [child.id(one) for one in reversed(both)] == [0, 1]


def test_what_runs_on_is_named_again_after_the_cache_was_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    """EXPLAIN asks by id: of texts, too, only the newest are held."""
    monkeypatch.setattr(tables, "CACHED_KEYS", 3)
    ours, hot = table(), identity("SELECT hot FROM t")
    named: list[int] = []
    monkeypatch.setattr(ours.executed, "name", lambda number, *_: named.append(number))
    for number in range(9):
        ours.id(hot)
        ours.id(identity(f"SELECT a{number} FROM t"))

    assert named.count(0) > 2


def test_the_collector_knows_only_of_identities_that_may_lead_back_to_themselves() -> None:
    """A commit has one of its own, and thousands of those may wait for the agent's thread."""
    relationship = object()

    assert not gc.is_tracked(identity("COMMIT"))
    assert gc.is_tracked(LazyIdentity("statement", "SELECT a FROM t", ENGINE, None, 0, relationship))
