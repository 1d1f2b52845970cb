"""Records are set as cheaply as any other object's slots."""

from __future__ import annotations

import dis
import sys
from typing import Any

import msgspec
import pytest

from flasktop.agent.engine import Engine, SpanIdentity
from flasktop.agent.sql.fetch import Statement
from flasktop.agent.sql.pools import Checkout
from flasktop.agent.stores import quick_stores
from flasktop.agent.trace import AppInfo, Call, RequestTrace, SpanRecord

IDENTITY = SpanIdentity("commit", "COMMIT", Engine("", ""), None, 0)
RECORDS = [
    RequestTrace(AppInfo("shop"), "GET", "/", "", 1),
    SpanRecord(IDENTITY),
    Statement(IDENTITY),
    Call("commit", Engine("", ""), 1),
    Checkout(1),
]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 keeps no shortcuts")
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_python_keeps_a_shortcut_to_what_is_set(record: Any) -> None:
    space: dict[str, Any] = {}
    exec("def store(record):\n    for number in range(2000): record.start_ns = number", space)
    store = space["store"]
    for _ in range(3):
        store(record)
    options: dict[str, Any] = {"adaptive": True}

    assert "STORE_ATTR_SLOT" in {instruction.opname for instruction in dis.get_instructions(store, **options)}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_only_fields_are_set(record: Any) -> None:
    with pytest.raises(AttributeError):
        record.no_such_field = 1


def test_a_struct_that_the_collector_must_know_of_is_refused() -> None:
    class Tracked(msgspec.Struct):
        field: int = 0

    with pytest.raises(AssertionError):
        quick_stores(Tracked)
