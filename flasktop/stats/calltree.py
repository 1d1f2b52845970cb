"""One call tree out of the profiles of all workers: where the time of an endpoint's requests goes, by function.

The tree is that of the app's own functions. Library frames between two of them are left out; those that one of them
ends in stand under it, folded into one node with the name of the package that was called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from flasktop.protocol.commands.profile import Profiled

Kind = Literal["root", "own", "package", "library"]
"""What a node is: the endpoint itself, a function of the app's, a package that it called, a function in there."""

HOT_SHARE: Final = 0.1
"""A child that takes less of all time is not opened as part of the hot path."""

_INSTALLED: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\]([^/\\]+)")
_STANDARD: Final = re.compile(r"[/\\]lib(?:64)?[/\\]python\d[^/\\]*[/\\]([^/\\]+)")


@dataclass(frozen=True, slots=True)
class Frame:
    """A line of a function: ``first`` is where the function begins, ``own`` whether it is the app's."""

    file: str
    function: str
    line: int
    first: int
    own: bool


@dataclass(slots=True)
class Parts:
    """Time in us and what it was: on the CPU, in the database, not told; what remains was waiting."""

    wall: int = 0
    cpu: int = 0
    sql: int = 0
    unknown: int = 0

    @property
    def wait(self) -> int:
        return max(0, self.wall - self.cpu - self.sql - self.unknown)

    def add(self, other: Parts) -> None:
        """Take more time in."""
        self.wall += other.wall
        self.cpu += other.cpu
        self.sql += other.sql
        self.unknown += other.unknown


@dataclass(frozen=True, slots=True)
class Stack:
    """The samples of one stack, of all workers: ``frames`` outermost first."""

    frames: tuple[Frame, ...]
    samples: int
    parts: Parts


class NodeKey(NamedTuple):
    """What makes two nodes of one parent the same."""

    kind: Kind
    name: str
    file: str = ""
    first: int = 0


@dataclass(slots=True)
class Node:
    """A function, or a package, where it was called from; read-only once the tree is made.

    ``total`` is its time with all that it called, ``own_time`` without; ``lines`` is the total by line of this
    function; ``children`` are sorted, the most time first.
    """

    key: NodeKey
    total: Parts = field(default_factory=Parts)
    own_time: Parts = field(default_factory=Parts)
    lines: dict[int, Parts] = field(default_factory=dict)
    children: tuple[Node, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.key.kind

    @property
    def line(self) -> int:
        """The line that took most of the time; 0 where there is none."""
        return max(self.lines, key=lambda line: self.lines[line].wall, default=0)


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile of an endpoint over ``workers`` workers.

    ``samples`` of ``requests`` requests were taken in ``seconds``; ``finished`` requests ended meanwhile. ``missed``
    of ``ticks`` came too late; ``dropped`` samples are in no stack. ``sampler_percent`` is the CPU of all samplers
    together in percent of one core, ``tick_us`` that of one tick.
    """

    root: Node
    stacks: tuple[Stack, ...]
    workers: int
    seconds: float
    rate: int
    ticks: int
    missed: int
    samples: int
    requests: int
    finished: int
    dropped: int
    sampler_percent: float
    tick_us: float
    unseen: tuple[str, ...]

    def share(self, parts: Parts) -> float:
        """Its part of all sampled time."""
        return parts.wall / self.root.total.wall if self.root.total.wall else 0.0


def merge(profiles: Sequence[Profiled], name: str) -> Profile:
    """Make one profile, called ``name``, out of those of several workers."""
    stacks = tuple(_merged(each for profile in profiles for each in _stacks(profile)))
    ticks = sum(profile.ticks for profile in profiles)
    sampler = sum(profile.sampler_us for profile in profiles)
    seconds = max((profile.seconds for profile in profiles), default=0.0)
    return Profile(
        root=tree(stacks, name),
        stacks=stacks,
        workers=len(profiles),
        seconds=seconds,
        rate=max((profile.rate for profile in profiles), default=0),
        ticks=ticks,
        missed=sum(profile.missed for profile in profiles),
        samples=sum(profile.samples for profile in profiles),
        requests=sum(profile.requests for profile in profiles),
        finished=sum(profile.finished for profile in profiles),
        dropped=sum(profile.dropped for profile in profiles),
        sampler_percent=sampler / seconds / 10_000 if seconds else 0.0,
        tick_us=sampler / ticks if ticks else 0.0,
        unseen=tuple(dict.fromkeys(words for profile in profiles for words in profile.unseen)),
    )


def tree(stacks: Iterable[Stack], name: str) -> Node:
    """The call tree of ``stacks`` under a root of that ``name``."""
    root = Node(NodeKey("root", name))
    children: dict[int, dict[NodeKey, Node]] = {}
    for stack in stacks:
        node = root
        node.total.add(stack.parts)
        for key, line in _path(stack.frames):
            known = children.setdefault(id(node), {})
            if key not in known:
                known[key] = Node(key)
            node = known[key]
            node.total.add(stack.parts)
            if line:
                node.lines.setdefault(line, Parts()).add(stack.parts)
        node.own_time.add(stack.parts)
    pending = [root]
    while pending:
        node = pending.pop()
        found = children.get(id(node), {}).values()
        node.children = tuple(sorted(found, key=lambda child: child.total.wall, reverse=True))
        pending += node.children
    return root


def hot_path(root: Node) -> list[Node]:
    """The nodes from ``root`` on down that each take the most time of their parent, to the end of the app's code."""
    path, whole = [root], root.total.wall
    while path[-1].children and path[-1].kind in ("root", "own"):
        child = path[-1].children[0]
        if child.total.wall < whole * HOT_SHARE:
            break
        path.append(child)
    return path


def package(file: str) -> str:
    """The package that a library's file belongs to.

    >>> package("/venv/lib/python3.11/site-packages/flask/app.py"), package("/usr/lib/python3.11/json/decoder.py")
    ('flask', 'json')
    >>> package("/usr/lib/python3.11/threading.py"), package("<frozen runpy>"), package("/opt/tool.py")
    ('threading', 'runpy', 'tool')
    """
    found = _INSTALLED.search(file) or _STANDARD.search(file)
    name = found[1] if found else file.replace("\\", "/").rpartition("/")[2]
    return name.strip("<>").removeprefix("frozen ").removesuffix(".py") or "?"


def _path(frames: Sequence[Frame]) -> Iterator[tuple[NodeKey, int]]:
    """The way through the tree: the app's own functions, then the package that the last one called, with its frames."""
    last = max((at for at, frame in enumerate(frames) if frame.own), default=-1)
    for frame in frames[: last + 1]:
        if frame.own:
            yield NodeKey("own", frame.function, frame.file, frame.first), frame.line
    rest = frames[last + 1 :]
    if rest:
        head = rest[0]
        yield NodeKey("package", package(head.file) if head.file else head.function), 0
        for frame in rest:
            if frame.file:
                yield NodeKey("library", frame.function, frame.file, frame.first), frame.line


def _stacks(profile: Profiled) -> Iterator[Stack]:
    """The stacks of one worker; what its numbers do not name is left out."""
    files = dict(enumerate(profile.files))
    frames = [
        Frame(files.get(frame.file, "?"), frame.function, frame.line, frame.first, frame.own)
        for frame in profile.frames
    ]
    for stack in profile.stacks:
        if all(0 <= number < len(frames) for number in stack.frames):
            parts = Parts(stack.wall_us, stack.cpu_us, stack.sql_us, stack.unknown_us)
            yield Stack(tuple(frames[number] for number in stack.frames), stack.samples, parts)


def _merged(stacks: Iterable[Stack]) -> Iterator[Stack]:
    merged: dict[tuple[Frame, ...], tuple[list[int], Parts]] = {}
    for stack in stacks:
        samples, parts = merged.setdefault(stack.frames, ([], Parts()))
        samples.append(stack.samples)
        parts.add(stack.parts)
    for frames, (samples, parts) in merged.items():
        yield Stack(frames, sum(samples), parts)
