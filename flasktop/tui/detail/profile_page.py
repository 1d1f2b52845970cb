"""A profile as lines: how far it is, why there is none, or the call tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.errors import FlasktopError
from flasktop.protocol.events import WorkerId
from flasktop.stats.calltree import Node, NodeKey, Profile, hot_path
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.lists import plain
from flasktop.tui.detail.page import BLANK, Line
from flasktop.tui.detail.profile_code_page import code_pane, split_of
from flasktop.tui.detail.words import flowed
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.source import place, read_source
from flasktop.tui.draw.split import legend, split_bar
from flasktop.tui.draw.text import cut, fit, left, line, pad, right, safe
from flasktop.units import count, percent, plural

SECTION: Final = "calls"

NodePath = tuple[NodeKey, ...]
"""A node by the way to it from the root, which is ``()``."""

LEAST: Final = 0.002
"""A child that takes less of all time is not listed."""

_SHARE: Final = 7
_INDENT: Final = 2
ROOMY: Final = 24
"""Lines from which on there is room for empty ones."""
PANE_LEAST: Final = 6
"""Lines that the code of the selected function takes at least."""


@dataclass(slots=True)
class Progress:
    """A profile of so many ``seconds`` under way for ``elapsed`` of them, in so many ``workers``; ``waiting`` of these
    have not begun, since they are busy with another profile."""

    seconds: float
    workers: int
    elapsed: float = 0.0
    samples: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A word about what a key did; nothing where ``words`` is empty."""

    words: str = ""
    warn: bool = False

    def lines(self, context: Context) -> list[Line]:
        """In as many lines as it needs."""
        style = context.palette.warn if self.warn else context.palette.good
        return plain(_wrapped(self.words, style, context))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Cells of the bar, of the tree, and of the source line beside it (0: none)."""

    bar: int
    tree: int
    source: int


def progress_lines(progress: Progress, name: str, context: Context, *, frozen: bool = False) -> list[Line]:
    """How far it is."""
    palette = context.palette
    done = min(1.0, max(0.0, progress.elapsed / progress.seconds))
    cells = min(60, context.width)
    full = round(cells * done)
    bar = line(("━" * full, palette.accent), ("─" * (cells - full), palette.faint))
    where = plural(progress.workers, "worker")
    told = line(
        (f"{min(progress.elapsed, progress.seconds):.0f} s of {progress.seconds:.0f} s", palette.text),
        (" · ", palette.dim),
        (plural(progress.samples, "sample"), palette.strong),
        (" so far", palette.dim),
    )
    hint = "The picture is frozen: space lets it go on." if frozen else "esc stops it and goes back"
    title = line(("Sampling ", palette.text), (name, palette.strong), (f" in {where}", palette.dim))
    return plain([title, line(), bar, told, *_waited_for(progress.waiting, context), line(), line((hint, palette.dim))])


def _waited_for(workers: int, context: Context) -> list[Text]:
    if not workers:
        return []
    verb = "is" if workers == 1 else "are"
    words = f"{plural(workers, 'worker')} {verb} busy with the profile of a finding or another reader: waiting."
    return _wrapped(words, context.palette.warn, context)


def trouble_lines(
    error: FlasktopError, failures: Sequence[tuple[WorkerId, FlasktopError]], context: Context
) -> list[Line]:
    """Why there is no profile."""
    palette = context.palette
    words = _wrapped(error.message, palette.warn, context)
    return plain([*words, *_wrapped(error.hint, palette.text, context), *_failed(failures, context)])


def tree_lines(
    found: Profile, failures: Sequence[tuple[WorkerId, FlasktopError]], node: Node | None, context: Context
) -> list[Line]:
    """The whole page: what was seen, the tree, what it cannot tell, and below the code of ``node`` where there is
    room for it."""
    hot = {id(each) for each in hot_path(found.root)}
    gap = [BLANK] if context.height >= ROOMY else []
    rows = list(_rows(found, context))
    layout = _layout(context, rows)
    lines = [
        *plain(_head(found, context)),
        *gap,
        Line(_titles(layout, context.palette)),
        *(_row(found, path, each, layout, context, id(each) in hot) for path, each in rows),
        *gap,
        *plain(_foot(found, failures, context)),
    ]
    room = context.height - len(lines) - 1
    if node is not None and node.key.file and room >= PANE_LEAST:
        rule = line(("─" * context.width, context.palette.faint))
        lines += plain([rule, *code_pane(found, node, context, room)])
    return lines


def _head(found: Profile, context: Context) -> list[Text]:
    palette, width = context.palette, context.width
    facts = [
        line((count(found.samples), palette.strong), (" samples of ", palette.dim), _strong(found.requests, palette)),
        line((f"{found.seconds:.1f} s", palette.text), (f" at {found.rate} Hz", palette.dim)),
        line((plural(found.workers, "worker"), palette.text)),
        line(
            ("sampling took ", palette.dim),
            (f"{found.sampler_percent:.1f} %", palette.text),
            (f" of a core, {found.tick_us:.0f} us a tick", palette.dim),
        ),
    ]
    if found.missed:
        late = found.missed / (found.ticks + found.missed)
        facts.append(line((f"{percent(late)} %", palette.text), (" of ticks came late", palette.dim)))
    if found.dropped:
        facts.append(line((f"{count(found.dropped)} samples beyond the limit", palette.warn)))
    split = split_of(found.root.total)
    return [
        *flowed(facts, width, palette),
        split_bar(split, width, palette),
        *flowed(legend(palette, split, brief=context.height < ROOMY), width, palette, "  "),
    ]


def _strong(requests: int, palette: Palette) -> Text:
    return line((count(requests), palette.strong), (" request" if requests == 1 else " requests", palette.dim))


def _foot(found: Profile, failures: Sequence[tuple[WorkerId, FlasktopError]], context: Context) -> list[Text]:
    said = [text for words in found.unseen for text in _wrapped(words, context.palette.dim, context)]
    return [*_failed(failures, context), *said]


def _wrapped(words: str, style: Style, context: Context) -> list[Text]:
    return flowed([line((safe(word), style)) for word in words.split()], context.width, context.palette, " ")


def _failed(failures: Sequence[tuple[WorkerId, FlasktopError]], context: Context) -> list[Text]:
    palette = context.palette
    return [
        line((fit(f"worker {worker.pid}: {safe(error.message)} {safe(error.hint)}", context.width), palette.warn))
        for worker, error in failures
    ]


def _layout(context: Context, rows: Sequence[tuple[NodePath, Node]]) -> _Layout:
    """The tree takes what its names need, the source lines the rest."""
    width = context.width
    bar = 10 if width < 90 else 16 if width < 140 else 24
    rest = width - 2 * (_SHARE + 1) - bar - 2
    if width < 95:
        return _Layout(bar, rest, 0)
    needed = max((len(_words(node)) + _INDENT * len(path) for path, node in rows), default=0)
    tree = max(24, min(needed + 2, rest * 55 // 100))
    return _Layout(bar, tree, rest - tree - 1)


def _titles(layout: _Layout, palette: Palette) -> Text:
    made = f"{right('TOTAL %', _SHARE)} {right('SELF %', _SHARE)} {left('TIME SPLIT', layout.bar)}  "
    made += left("FUNCTION", layout.tree)
    return line((f"{made} {'DEAREST LINE' if layout.source else ''}".rstrip(), palette.dim))


def _rows(found: Profile, context: Context) -> Iterator[tuple[NodePath, Node]]:
    """The nodes that are unfolded, in the order of the page."""
    pending: list[tuple[NodePath, Node]] = [((), found.root)]
    while pending:
        path, node = pending.pop()
        if path:
            yield path, node
        if not path or path in context.opened:
            shown = [child for child in node.children if found.share(child.total) >= LEAST] or node.children[:1]
            pending += [((*path, child.key), child) for child in reversed(shown)]


def _row(found: Profile, path: NodePath, node: Node, layout: _Layout, context: Context, hot: bool) -> Line:
    palette = context.palette
    whole_ms = found.root.total.wall / 1000
    share, own = (percent(found.share(parts), quiet=True) for parts in (node.total, node.own_time))
    made = line(
        (right(share, _SHARE), palette.strong if hot else palette.text),
        " ",
        (right(own, _SHARE), palette.text),
        " ",
        split_bar(split_of(node.total), layout.bar, palette, scale_ms=whole_ms),
        "  ",
        pad(_name(path, node, layout, context, hot), layout.tree),
    )
    if layout.source and node.key.file:
        made.append(" ")
        made.append_text(_source(node, layout.source, context))
    return Line(made, (SECTION, path), SECTION)


def _name(path: NodePath, node: Node, layout: _Layout, context: Context, hot: bool) -> Text:
    """The function at its depth; what is too deep to be indented says how deep it is."""
    palette = context.palette
    depth = len(path) - 1
    most = max(0, layout.tree // 2 // _INDENT)
    indent = " " * (_INDENT * depth) if depth <= most else right(f"{depth}", _INDENT * most)
    mark = " " if not node.children else "▾" if path in context.opened else "▸"
    made = line((indent, palette.dim), (f"{mark} ", palette.accent), (_words(node), _style(node, hot, palette)))
    if not layout.source and node.key.file:
        room = layout.tree - made.cell_len - 1
        where = place(node.key.file, node.line, context.directory, room) if room >= 12 else ""
        made.append(f" {where}", palette.dim)
    return cut(made, layout.tree)


def _words(node: Node) -> str:
    name = safe(node.key.name).replace(".<locals>", "")
    return f"in {name}" if node.kind == "package" and not name.startswith("(") else name


def _style(node: Node, hot: bool, palette: Palette) -> Style:
    """The app's own code is bright."""
    if node.kind != "own":
        return palette.dim
    return palette.accent if hot else palette.text


def _source(node: Node, width: int, context: Context) -> Text:
    """``views.py:23`` and the line itself, where it can be read."""
    palette = context.palette
    where = place(node.key.file, node.line, context.directory, max(16, width // 2))
    text = read_source(node.key.file, node.line, context.started_at, around=0)
    code = text.lines[0].strip() if text.lines else ""
    shown = left(where, min(max(len(where), 22), width))
    return cut(line((f"{shown} ", palette.dim), (code, palette.text if node.kind == "own" else palette.dim)), width)
