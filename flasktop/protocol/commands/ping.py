"""Ping: whether the worker carries out commands at all, and what its threads take to answer."""

from __future__ import annotations

from flasktop.protocol.records import Message


class Ping(Message, frozen=True, tag="ping"):
    """Answer at once."""


class Pong(Message, frozen=True, tag="pong"):
    """``mono`` is the worker's monotonic clock, in seconds, when it answered."""

    mono: float
