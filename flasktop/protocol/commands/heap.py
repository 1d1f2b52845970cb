"""The heap of a worker, weighed in a frozen copy of it, and walked.

A *take* is one frozen copy (a forked child), named by a number of the worker's. A *set* of objects in it is named by
the way to it from the whole heap: steps, each dividing the set so far and taking one row of that division. Rows come
with the largest first, and keep their places for as long as the copy lives.
"""

from __future__ import annotations

from typing import Final, Literal

from flasktop.protocol.records import Message

By = Literal["type", "module", "referrers", "owner", "size", "object"]
"""How a set can be divided: by type (attribute dicts apart, as ``dict of shop.Quote``), by the module of the class, by
what kinds of objects refer to it, by owner (attribute dicts counted with the objects that they belong to), by size, and
into single objects."""

BYS: Final[tuple[By, ...]] = ("type", "module", "referrers", "owner", "size", "object")


class Step(Message, frozen=True):
    """Divide ``by`` and take the row ``index``."""

    by: By
    index: int


class HeapRow(Message, frozen=True):
    """A row of a division: its ``index`` there, what it holds (``name``), how many objects of how many bytes in all.

    ``detail`` is a bounded representation of a single object, empty unless the app's settings allow values.
    """

    index: int
    name: str
    count: int
    bytes: int
    detail: str = ""


class TakeHeap(Message, frozen=True, tag="heap.take"):
    """Freeze a copy of the worker and weigh it. ``in_process`` weighs the worker itself, which stands still
    meanwhile: only for workers that cannot fork, and only after a person was told how long."""

    in_process: bool = False


class HeapTaken(Message, frozen=True, tag="heap.taken"):
    """A copy was taken.

    ``take`` is its number (UNKNOWN: taken in process, there is nothing to walk in), ``taken_at`` Unix seconds,
    ``pause_us`` how long the app stood still for it, ``seconds`` how long it took in all; ``requests`` how many
    requests the worker had finished, ``rss_bytes`` its RSS then. ``by_type`` are the largest types, ``types`` how many
    there are in all; what is not listed is in ``objects`` and ``bytes`` alone. ``unseen`` says in words what this
    heap cannot hold, such as what only other threads' thread-locals refer to.
    """

    take: int
    pid: int
    taken_at: float
    pause_us: int
    seconds: float
    objects: int
    bytes: int
    requests: int
    rss_bytes: int
    types: int
    by_type: tuple[HeapRow, ...]
    unseen: tuple[str, ...] = ()


class WalkHeap(Message, frozen=True, tag="heap.walk"):
    """Divide the set at the end of ``steps`` ``by`` something; the ``limit`` largest rows are wanted."""

    take: int
    steps: tuple[Step, ...]
    by: By
    limit: int = 200


class HeapPart(Message, frozen=True, tag="heap.part"):
    """A set of ``count`` objects and ``bytes``, divided: the largest ``rows`` of ``total_rows``."""

    take: int
    by: By
    count: int
    bytes: int
    total_rows: int
    rows: tuple[HeapRow, ...]


class HeapPaths(Message, frozen=True, tag="heap.paths"):
    """Find the shortest reference paths from a root to an object of the set at the end of ``steps``: one that whoever
    alone holds the most of the set holds, else the largest."""

    take: int
    steps: tuple[Step, ...]
    limit: int = 5


class PathNode(Message, frozen=True):
    """One edge of a path and where it leads: ``edge`` is how it is reached (``module shop.views``, ``CACHE``,
    ``[...]``, ``.items``, ``local 'rows' of shop.views.index``), ``kind`` what sort of edge (``root``, ``module``,
    ``global``, ``attribute``, ``key``, ``index``, ``local``, ``class``, ``cell``, ``other``); ``type`` the type of
    the object there, ``length`` its ``len`` (UNKNOWN: it has none), ``bytes`` its own size."""

    edge: str
    kind: str
    type: str
    length: int
    bytes: int


class HeapHeld(Message, frozen=True, tag="heap.held"):
    """Who holds an object: ``target`` is its type; ``paths`` each from its root to the object, the shortest first;
    ``holder`` the module global, class attribute or local that they go through, as Python names it
    (``shop.views.CACHE``; empty: none found), ``through`` how many objects and ``through_bytes`` of the set are
    reachable only through it (UNKNOWN where that was not worked out). ``complete`` is False where the search was
    given up for time; ``largest`` where the object is not the largest of the set, but one of those that ``holder``
    holds."""

    take: int
    target: str
    paths: tuple[tuple[PathNode, ...], ...]
    holder: str
    through: int
    through_bytes: int
    complete: bool
    largest: bool = True


class DropHeap(Message, frozen=True, tag="heap.drop"):
    """Let go of a frozen copy."""

    take: int


class HeapDropped(Message, frozen=True, tag="heap.dropped"):
    """It is gone (or was already)."""

    take: int
