"""A profile as files that other tools read: speedscope's JSON, and collapsed stacks.

Both are flame graphs of functions, so lines are those where a function begins; both count microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from flasktop._version import __version__
from flasktop.stats.calltree import Frame, Parts, Profile, Stack

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"

_KINDS: Final[tuple[tuple[str, Callable[[Parts], int]], ...]] = (
    ("all time", lambda parts: parts.wall),
    ("on CPU", lambda parts: parts.cpu),
    ("waiting", lambda parts: parts.wait),
    ("SQL", lambda parts: parts.sql),
    ("not told", lambda parts: parts.unknown),
)

_Key = tuple[str, str, int]
"""A function: its name, file and first line."""


def speedscope(profile: Profile) -> str:
    """``profile`` in speedscope's file format: one profile for all time, and one for each kind of time there is."""
    numbers: dict[_Key, int] = {}
    stacks = [
        (tuple(numbers.setdefault(key, len(numbers)) for key in keys), parts)
        for keys, parts in _by_function(profile.stacks)
    ]
    name = profile.root.key.name
    profiles = [_sampled(f"{name}: {kind}", stacks, part) for kind, part in _KINDS if part(profile.root.total)]
    document = {
        "$schema": SCHEMA,
        "name": f"{name}, {profile.seconds:.1f} s, {profile.samples:,} samples",
        "exporter": f"flasktop {__version__}",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(key) for key in numbers]},
        "profiles": profiles or [_sampled(f"{name}: all time", [], _KINDS[0][1])],
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def collapsed(profile: Profile) -> str:
    """``profile`` as collapsed stacks: a line each, functions from the outermost on, then its microseconds."""
    lines = (
        f"{';'.join(map(_collapsed_name, keys)) or '(no frames)'} {parts.wall}"
        for keys, parts in _by_function(profile.stacks)
    )
    return "".join(f"{line}\n" for line in lines)


def _by_function(stacks: Sequence[Stack]) -> list[tuple[tuple[_Key, ...], Parts]]:
    """The stacks without their lines, the most time first."""
    merged: dict[tuple[_Key, ...], Parts] = {}
    for stack in stacks:
        merged.setdefault(tuple(map(_key, stack.frames)), Parts()).add(stack.parts)
    return sorted(merged.items(), key=lambda item: item[1].wall, reverse=True)


def _key(frame: Frame) -> _Key:
    return (frame.function, frame.file, frame.first)


def _frame(key: _Key) -> dict[str, Any]:
    name, file, first = key
    return {"name": name, **({"file": file} if file else {}), **({"line": first} if first > 0 else {})}


def _sampled(
    name: str, stacks: Sequence[tuple[tuple[int, ...], Parts]], part: Callable[[Parts], int]
) -> dict[str, Any]:
    told = [(numbers, part(parts)) for numbers, parts in stacks if part(parts)]
    weights = [weight for _, weight in told]
    return {
        "type": "sampled",
        "name": name,
        "unit": "microseconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": [list(numbers) for numbers, _ in told],
        "weights": weights,
    }


def _collapsed_name(key: _Key) -> str:
    """A function's name and place without what separates frames and stacks."""
    name, file, first = key
    place = f" ({file}:{first})" if file else ""
    return f"{name}{place}".replace(";", ":").replace("\n", " ").replace("\r", " ")
