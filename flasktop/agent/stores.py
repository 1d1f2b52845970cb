"""Attributes of records that are set on the hot path, at the price of any other slot."""

from __future__ import annotations

from typing import TypeVar

_Record = TypeVar("_Record", bound=type)


def quick_stores(record: _Record) -> _Record:
    """The struct class, with ``object``'s own way to set an attribute.

    msgspec's own way, which tells the garbage collector of what is set, does nothing more in a class that is made with
    ``gc=False``; but where a class has a way of its own, Python (3.11 and later) searches its attributes by name each
    time, and keeps no shortcut: three times the cost where all is at hand, and more where the app drives it out of the
    caches. Not inherited: msgspec gives each class its own.
    """
    assert not record.__struct_config__.gc, record  # type: ignore[attr-defined]
    for name in ("__setattr__", "__delattr__"):  # Python takes both, or neither
        setattr(record, name, getattr(object, name))
    return record
