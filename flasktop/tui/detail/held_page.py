"""Who holds a set of objects: the paths to it as trees, and what they mean in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.protocol.commands.heap import HeapHeld, PathNode
from flasktop.protocol.records import UNKNOWN
from flasktop.stats.heaps import HeapLine
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, line, safe
from flasktop.units import bytes_, plural, whole

NAMED: Final = frozenset({"global", "class", "local"})
"""The kinds of edges that have a name in somebody's source."""

WORTH_A_WORD: Final = 100
"""So many objects behind one name are worth advice."""


def held_lines(held: HeapHeld, row: HeapLine, width: int, palette: Palette) -> list[Text]:
    """What is known of who holds ``row``, the conclusion first."""
    lines = wrapped(conclusion(held, row), width, palette.warn + Style(bold=True) if _blames(held) else palette.text)
    if not held.complete:
        lines += wrapped("The search was given up for time: there may be other paths.", width, palette.dim)
    if 0 < held.through < row.count / 2:
        lines += wrapped("The others may be held elsewhere: ↵ divides them by who refers to them.", width, palette.dim)
    for i, path in enumerate(held.paths):
        lines.append(line())
        if i == 1:
            others = len(held.paths) - 1
            lines += [line((f"{plural(others, 'other path')}, longer or as long", palette.dim)), line()]
        bright = _holding(path, held.holder, i == 0)
        lines += [cut(each, width) for each in tree(path, bright, palette)]
    return lines


def tree(path: Sequence[PathNode], bright: int, palette: Palette) -> list[Text]:
    """A path from its root, each edge one step further in; the one at ``bright`` stands out."""
    lines = []
    for depth, node in enumerate(path):
        branch = "" if depth == 0 else "   " * (depth - 1) + "└─ "
        style = palette.wait + Style(bold=True) if depth == bright else palette.strong if depth else palette.text
        lines.append(
            line((branch, palette.faint), (safe(node.edge) or "·", style), (f"   {_about(node)}", palette.dim))
        )
    return lines


def _about(node: PathNode) -> str:
    """``dict of 4,000, 147 kB``."""
    what = safe(node.type)
    if node.length != UNKNOWN:
        what += f" of {whole(node.length)}"
    return f"{what}, {bytes_(node.bytes)}" if node.bytes > 0 else what


def _holding(path: Sequence[PathNode], holder: str, first: bool) -> int:
    """Where in a path the name is that holds it all: the last one whose name the holder ends in; -1 for none. The first
    path leads through the holder, whatever its name looks like there."""
    last = holder.rpartition(".")[2]
    places = [i for i, node in enumerate(path) if node.kind in NAMED]
    named = [i for i in places if last and last in node_words(path[i])]
    return (named or (places if first and holder else []) or [-1])[-1]


def node_words(node: PathNode) -> list[str]:
    """The names in an edge: ``local 'rows' of shop.index`` is local, rows, of, shop.index."""
    return [word.strip(".'\"") for word in node.edge.split()]


def _blames(held: HeapHeld) -> bool:
    return bool(held.holder) and held.through > 0


def conclusion(held: HeapHeld, row: HeapLine) -> str:
    """What the paths say, and no more than that."""
    holder = safe(held.holder)
    if not held.paths and not holder:
        if not held.complete:
            return "No path from a root was found before the search was given up."
        return (
            "Nothing in the frozen copy leads to it from a root: it waits for the garbage collector, "
            "or C code or another thread holds it."
        )
    if not holder:
        return "No module global, class attribute or local was found on the way."
    if held.through == UNKNOWN:
        return f"{holder} holds it. Whether anything else does was not worked out."
    if held.through == 0:
        return f"{holder} leads to it, and so does something else: without {holder} it would stay."
    return _only_through(held, row, holder)


def _only_through(held: HeapHeld, row: HeapLine, holder: str) -> str:
    some = f"{whole(held.through)} of {whole(row.count)} objects" if held.through < row.count else ""
    every = plural(held.through, "object") if held.through < 10_000 else f"{whole(held.through)} objects"
    size = f" ({bytes_(held.through_bytes)})" if held.through_bytes > 0 else ""
    verb = "is" if held.through == 1 else "are"
    said = f"{some or every}{size} {verb} reachable only through {holder}"
    return f"{said}{_advice(held)}"


def _advice(held: HeapHeld) -> str:
    kind = next((node.kind for path in held.paths[:1] for node in reversed(path) if node.kind in NAMED), "global")
    if kind == "local":
        return f": {'it goes' if held.through == 1 else 'they go'} when that call returns."
    if held.through < WORTH_A_WORD:
        return "."
    return ": bound it, or keep it outside the process."


def wrapped(text: str, width: int, style: Style) -> list[Text]:
    """``text`` over as many lines as it takes."""
    lines, now = [], ""
    for word in text.split():
        if now and len(now) + 1 + len(word) > width:
            lines.append(now)
            now = word
        else:
            now = f"{now} {word}" if now else word
    return [cut(line((each, style)), width) for each in [*lines, now]]
