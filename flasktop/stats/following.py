"""Which windows are kept up to date: those that somebody looks at, as far as somebody does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, cast

from flasktop.stats.chunks import Chunk
from flasktop.stats.trends import TrendSet
from flasktop.stats.views import Window
from flasktop.stats.windows import P
from flasktop.steps import Steps, finished

_SINGLES: Final = 2
"""So many single workers' windows are kept up to date at once."""

_UNFOLLOW_AFTER: Final = 30
"""Seconds after which a window that nobody asks for is not kept up to date any more."""


class Rolling(Generic[P]):
    """One part of the windows of all workers, or of one, as far as somebody looks at them, and its trends.

    ``followed`` are the windows that are kept up to date; ``asked`` is the second in which each was asked for last,
    ``used`` the one in which anything was.
    """

    def __init__(self, kind: type[P], worker: int | None) -> None:
        self.followed: dict[Window, P] = {}
        self.asked: dict[Window, int] = {}
        self.used = 0
        self.trends = TrendSet()
        self._kind = kind
        self._worker = worker

    def unfollow(self, before: int) -> None:
        """Let go of windows that nobody asked for since the second ``before``."""
        for window, asked in list(self.asked.items()):
            if asked < before:
                del self.asked[window], self.followed[window]

    def apply(self, window: Window, chunk: Chunk, sign: int) -> None:
        """Take a chunk into a window (1) or out of it (-1), if it is followed."""
        part = self.followed.get(window)
        if part is not None:
            part.apply(chunk, sign, self._worker)

    def count(self, second: int, chunk: Chunk) -> None:
        """Count a chunk of one second in the trends."""
        self.trends.add(second, self._kind.counts(chunk, self._worker))


class Followed:
    """All of them. ``intervals`` are all chunks there are, each with the first second of its interval; ``chunks`` those
    of a window.

    One that is put together in steps counts only when it is whole: until then nothing may come or leave, or it is not
    gone on with.
    """

    def __init__(
        self, intervals: Callable[[], Iterable[tuple[int, Chunk]]], chunks: Callable[[Window], Iterable[Chunk]]
    ) -> None:
        self._intervals, self._chunks = intervals, chunks
        self._rollings: dict[tuple[type[Any], int | None], Rolling[Any]] = {}

    def all(self) -> list[Rolling[Any]]:
        """Return what is kept up to date."""
        return list(self._rollings.values())

    def part(self, kind: type[P], window: Window, worker: int | None, now: int) -> P:
        """Return a part of a window, of all workers or one, for whoever asks at the second ``now``; followed from now
        on."""
        finished(self.following(kind, window, worker, now))
        return cast(P, self._rollings[kind, worker].followed[window])

    def following(self, kind: type[P], window: Window, worker: int | None, now: int) -> Steps[None]:
        """Follow it from now on, put together in steps if it is not followed yet."""
        rolling = yield from self._found(kind, worker, now)
        if window not in rolling.followed:
            part = kind()
            for chunk in list(self._chunks(window)):
                part.apply(chunk, 1, worker)
                yield
            rolling.followed[window] = part
        rolling.asked[window] = now

    def rolling(self, kind: type[P], worker: int | None, now: int) -> Rolling[P]:
        """Return the followed windows and trends of a part: put together when first asked for, and kept as long as they
        are asked for (of single workers those of the two asked for last)."""
        return finished(self._found(kind, worker, now))

    def _found(self, kind: type[P], worker: int | None, now: int) -> Steps[Rolling[P]]:
        rolling = cast("Rolling[P] | None", self._rollings.pop((kind, worker), None))
        if rolling is None:
            rolling = Rolling(kind, worker)
            for second, chunk in list(self._intervals()):
                rolling.count(second, chunk)
                yield
        self._rollings[kind, worker] = rolling
        rolling.used = now
        if worker is not None:
            singles = list(dict.fromkeys(one for _, one in reversed(self._rollings) if one is not None))
            for key in [key for key in self._rollings if key[1] in singles[_SINGLES:]]:
                del self._rollings[key]
        return rolling

    def let_go(self, now: int) -> None:
        """Follow nothing any more that nobody has asked for lately, and forget what the trends do not show."""
        for key, rolling in list(self._rollings.items()):
            rolling.trends.drop(now)
            rolling.unfollow(now - _UNFOLLOW_AFTER)
            if rolling.used < now - _UNFOLLOW_AFTER:
                del self._rollings[key]
