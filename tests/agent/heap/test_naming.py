"""Names of the app's things, without running any of its code."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import Any

import pytest

from flasktop.agent.heap import naming


class Wicked(type):
    """A metaclass that answers nothing."""

    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError("asked")

    def __repr__(cls) -> str:
        raise AssertionError("asked")


class Thing(metaclass=Wicked):
    def __repr__(self) -> str:
        raise AssertionError("asked")

    def __len__(self) -> int:
        raise AssertionError("asked")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise AssertionError("asked")


class Words(list[str]):
    def __len__(self) -> int:
        raise AssertionError("asked")


def test_a_type_is_named_by_its_module() -> None:
    assert naming.type_name(int) == "int"
    assert naming.type_name(OrderedDict) == "collections.OrderedDict"
    assert naming.type_name(Thing) == f"{__name__}.Thing"
    assert (naming.type_module(int), naming.type_module(Thing)) == ("builtins", __name__)


def test_a_types_name_is_bounded() -> None:
    long = type("x" * 10_000, (), {})

    assert len(naming.type_name(long)) == naming.NAME_LENGTH


def test_lengths_run_no_code_of_the_apps() -> None:
    assert naming.length_of(Words(["a", "b"])) == 2
    assert naming.length_of(defaultdict(list, a=[1])) == 1
    assert naming.length_of("abc") == 3
    assert naming.length_of(Thing()) == naming.length_of(7) == -1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("it's", '"it\'s"'),
        (b"\x00", "b'\\x00'"),
        (7, "7"),
        (1 << 5000, "<int of 5,001 bits>"),
        (None, "None"),
        ([1, 2.5, "x"], "[1, 2.5, 'x']"),
        ((1, 2, 3, 4, 5, 6), "(1, 2, 3, 4, …)"),
        ({"a": [[1]]}, "{'a': [<list of 1>]}"),
        ([Thing()], f"[<{__name__}.Thing>]"),
        (Words(["a"]), f"<{__name__}.Words>"),
        ({(1, 2): 3}, "{…}"),
    ],
)
def test_values_are_shown_short_and_by_python_alone(value: object, shown: str) -> None:
    assert naming.detail(value) == shown


@pytest.mark.parametrize("value", ["x" * 10**6, [["y" * 1000] * 100] * 100, {"k" * 900: "v" * 900}])
def test_what_is_shown_is_bounded(value: object) -> None:
    assert len(naming.detail(value)) <= naming.DETAIL_LENGTH


def test_only_names_count_as_attributes() -> None:
    assert naming.attribute_name("items") == "items"
    assert naming.attribute_name("not a name") == naming.attribute_name(7) == naming.attribute_name("x" * 999) == ""
