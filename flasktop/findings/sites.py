"""Where the time of sampled requests went, as rules speak of it: a line of the app's code and what it called there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from flasktop.stats.calltree import Frame, Parts, Profile, Stack, package

PYTHON: Final = (".py", ".pyw")

_MODULE: Final = re.compile(r"(?:^|[/\\])(?:(?:site|dist)-packages|lib(?:64)?[/\\]python\d[^/\\]*)[/\\](.+)\.pyw?$")


@dataclass(slots=True)
class Site:
    """A place in the app's own code: samples of it, and the time that they stand for.

    ``own`` is the innermost frame of the app's code, ``tail`` the library frames below it, outermost first (empty: the
    line itself was at work, or waited in a function that is not written in Python). ``named`` is the innermost one of
    a function with a name: the one that a comprehension or a lambda stands in.
    """

    own: Frame
    named: Frame
    tail: tuple[Frame, ...]
    samples: int = 0
    parts: Parts = field(default_factory=Parts)


def sites(profile: Profile, but: Callable[[Stack], bool] = lambda stack: False) -> Iterator[Site]:
    """Each stack that goes through the app's own Python code, as a site; those in libraries alone, and those that
    ``but`` names, are left out."""
    for stack in profile.stacks:
        last = max((at for at, frame in enumerate(stack.frames) if frame.own), default=-1)
        if last >= 0 and stack.frames[last].file.endswith(PYTHON) and not but(stack):
            yield Site(
                stack.frames[last],
                next((frame for frame in stack.frames[last::-1] if _has_name(frame)), stack.frames[last]),
                stack.frames[last + 1 :],
                stack.samples,
                stack.parts,
            )


def merged(found: Iterator[Site], by: Callable[[Site], object], weight: Callable[[Site], int]) -> list[Site]:
    """Sites that are the same ``by`` something as one, the one of the most ``weight`` first."""
    known: dict[object, Site] = {}
    for site in found:
        one = known.setdefault(by(site), Site(site.own, site.named, site.tail))
        one.samples += site.samples
        one.parts.add(site.parts)
    return sorted(known.values(), key=weight, reverse=True)


def packages(frames: tuple[Frame, ...]) -> tuple[str, ...]:
    """The packages that frames belong to, in their order."""
    return tuple(package(frame.file) if frame.file else frame.function for frame in frames)


def renders(stack: Stack) -> bool:
    """Whether a template is being rendered: what it calls is done for it, too."""
    return "jinja2" in packages(stack.frames)


def call_name(frame: Frame) -> str:
    """A library's function as a person calls it: the package of what is installed, the module of the standard library.

    >>> call_name(Frame("/venv/lib/python3.11/site-packages/requests/api.py", "get", 73, 60, False))
    'requests.get'
    >>> call_name(Frame("/usr/lib/python3.11/concurrent/futures/_base.py", "Future.result", 451, 420, False))
    'concurrent.futures.Future.result'
    >>> call_name(Frame("/usr/lib/python3.11/subprocess.py", "run", 548, 500, False))
    'subprocess.run'
    """
    found = _MODULE.search(frame.file)
    if found is None or "-packages" in frame.file:
        return f"{package(frame.file)}.{frame.function}"
    parts = [part for part in PurePath(found[1].replace("\\", "/")).parts if not part.startswith("_")]
    return ".".join((*parts, frame.function))


def _has_name(frame: Frame) -> bool:
    return frame.own and not bare(frame.function).startswith("<")


def bare(function: str) -> str:
    """A function's own name: ``draw`` of ``Painter.draw`` or ``make.<locals>.draw``."""
    return function.rpartition(".")[2]
