"""The plan of a statement as lines: what it is in words, then the tree with estimates, then the statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.protocol.commands.explain import GENERIC, LAST, Planned
from flasktop.protocol.events import WorkerId
from flasktop.stats.plans import MOST, Mark, Node, Plan
from flasktop.stats.plans.words import Sentence, sentences, table_of
from flasktop.stats.views import StatementKey
from flasktop.tui.detail.code_block import EVERY_LINE, sql_lines
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.lists import plain, sections
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.words import flowed, wrapped
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.text import cut, line, right, safe, spread
from flasktop.units import clock, count, ms_unit

ROWS_WIDTH: Final = 9
COST_WIDTH: Final = 9
_BAD: Final = frozenset({Mark.FULL_SCAN, Mark.NO_INDEX, Mark.OWN_INDEX})
GLYPHS: Final = {
    Mark.FULL_SCAN: "▲",
    Mark.NO_INDEX: "▲",
    Mark.OWN_INDEX: "▲",
    Mark.SORT: "◆",
    Mark.TEMPORARY: "◆",
    Mark.EACH_ROW: "↻",
    Mark.INDEX_SCAN: "◆",
}
"""Beside a marked step; colour never stands alone."""

_DATABASES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}


@dataclass(frozen=True, slots=True)
class Made:
    """A plan that was made: by which worker, and its tree."""

    planned: Planned
    plan: Plan
    worker: WorkerId


def plan_lines(made: Made, key: StatementKey, context: Context) -> list[Line]:
    """The whole page."""
    palette = context.palette
    return sections(
        plain(_words(made.plan, context)),
        plain(_facts(made, context)),
        _tree(made, context),
        plain(_parameters(made.planned, context)),
        plain([line(("Statement", palette.strong)), *sql_lines(key, context, context.width, EVERY_LINE)]),
    )


def waiting_lines(stage: str, seconds: float, context: Context) -> list[Line]:
    """While the database is asked."""
    palette = context.palette
    said = line(("◌ ", palette.accent), (f"Planning: {safe(stage)}", palette.text), (f"  {seconds:.0f} s", palette.dim))
    return plain([said, line(("Nothing is run. esc leaves and stops it.", palette.dim))])


def failed_lines(message: str, hint: str, key: StatementKey, context: Context) -> list[Line]:
    """Why there is no plan, and what to do."""
    palette = context.palette
    said = [*wrapped(f"✗ {safe(message)}", context.width, palette.bad)]
    said += wrapped(safe(hint), context.width, palette.text) if hint else []
    said.append(line(("x asks again.", palette.dim)))
    return sections(
        plain(said),
        plain([line(("Statement", palette.strong)), *sql_lines(key, context, context.width, EVERY_LINE)]),
    )


def _words(plan: Plan, context: Context) -> list[Text]:
    palette = context.palette
    if plan.problem:
        return wrapped(plan.problem, context.width, palette.warn)
    made: list[Text] = []
    for sentence in sentences(plan):
        made += wrapped(f"{_sign(sentence)} {sentence.text}", context.width, _style(sentence, palette), "  ")
    return made


def _sign(sentence: Sentence) -> str:
    return "▲" if sentence.bad else "◆" if sentence.notable else "✓"


def _style(sentence: Sentence, palette: Palette) -> Style:
    return palette.bad if sentence.bad else palette.warn if sentence.notable else palette.good


def _facts(made: Made, context: Context) -> list[Text]:
    palette, planned = context.palette, made.planned
    version = safe(planned.version.partition(" ")[0].partition("-")[0])
    name = _DATABASES.get(planned.dialect, safe(planned.dialect))
    facts = [
        line((f"{name} {version}".strip(), palette.text)),
        line(
            ("planned ", palette.dim),
            (clock(planned.planned_at), palette.text),
            (f" by worker {made.worker.pid}", palette.dim),
            (" in ", palette.dim),
            (ms_unit(planned.seconds * 1000), palette.text),
        ),
        line((_estimates(made), palette.dim)),
    ]
    return flowed(facts, context.width, palette)


def _estimates(made: Made) -> str:
    if any(node.rows is not None for node in made.plan.nodes()):
        return "estimates by the database; nothing was run"
    return "the database estimates no rows; nothing was run"


def _parameters(planned: Planned, context: Context) -> list[Text]:
    """With which parameters it was planned, and what may make it differ from the app's own plan."""
    if planned.parameters == LAST:
        said = f"Planned with the parameters that it ran with at {clock(planned.seen_at)}; they stayed in the app."
    elif planned.parameters == GENERIC:
        said = "Planned for any parameters: those that it ran with were not kept."
    else:
        said = "It has no parameters."
    style = context.palette.dim
    return [text for each in (said, *map(safe, planned.notes)) for text in wrapped(each, context.width, style)]


# The tree


@dataclass(frozen=True, slots=True)
class _Step:
    """A line of the tree: a node, what leads to it, and what goes on below it."""

    node: Node
    lead: str
    below: str


def _steps(nodes: Sequence[Node], lead: str = "", top: bool = True) -> Iterator[_Step]:
    for at, node in enumerate(nodes):
        last = at == len(nodes) - 1
        branch, trunk = ("", "") if top else ("└─ ", "   ") if last else ("├─ ", "│  ")
        inner = lead + trunk
        yield _Step(node, lead + branch, inner + ("│  " if node.children else "   "))
        yield from _steps(node.children, inner, False)


def _tree(made: Made, context: Context) -> list[Line]:
    palette, plan = context.palette, made.plan
    if not plan.roots:
        return [] if plan.problem else plain([line(("The plan has no steps: it only writes.", palette.text))])
    nodes = list(plan.nodes())
    with_rows = any(node.rows is not None for node in nodes)
    with_cost = context.width >= 90 and any(node.cost is not None for node in nodes)
    edge = (ROWS_WIDTH + 2 if with_rows else 0) + (COST_WIDTH + 2 if with_cost else 0)
    titles = (right("EST. ROWS", ROWS_WIDTH) + "  " if with_rows else "") + (
        right("COST", COST_WIDTH) + "  " if with_cost else ""
    )
    lines = [line((titles, palette.dim), ("  Plan", palette.strong))]
    for step in _steps(plan.roots):
        figures = line()
        if with_rows:
            figures.append_text(_rows(step.node, palette))
        if with_cost:
            figures.append(right(_cost(step.node.cost), COST_WIDTH) + "  ", palette.dim)
        lines.append(line(figures, _step_line(step, context.width - edge, palette)))
        lines += _condition_lines(step, edge, context)
    if len(nodes) >= MOST:
        lines.append(line((f"… the first {MOST:,} steps; y copies the whole plan", palette.dim)))
    return plain(lines)


def _rows(node: Node, palette: Palette) -> Text:
    heavy = bool(node.marks) and not node.small
    return line((right(count(node.rows), ROWS_WIDTH) + "  ", palette.strong if heavy else palette.text))


def _cost(cost: float | None) -> str:
    if cost is None:
        return "–"
    return f"{cost:,.1f}" if cost < 100_000 else count(cost)


def _step_line(step: _Step, width: int, palette: Palette) -> Text:
    node = step.node
    mark = next(iter(node.marks), None)
    style = _mark_style(node, palette)
    glyph = GLYPHS[mark] if mark is not None and not node.small else " "
    made = line(
        (f"{glyph} ", style), (step.lead, palette.faint), (safe(node.operation), style if mark else palette.text)
    )
    table = table_of(node)
    if table:
        made.append(f"  {safe(table)}", palette.strong)
    if node.index:
        made.append("  using ", palette.dim)
        made.append(safe(node.index), palette.good)
    words = ", ".join(mark.value for mark in node.marks)
    if not words:
        return cut(made, width)
    return _with_mark(made, line((f"{words}{' (little)' if node.small else ''}", style)), width)


def _with_mark(step: Text, mark: Text, width: int) -> Text:
    """The mark two cells behind its step; where both do not fit, the step gives way: it is named in the words above."""
    room = width - mark.cell_len - 2
    return line(step, "  ", mark) if step.cell_len <= room else spread(cut(step, max(0, room)), mark, width)


def _mark_style(node: Node, palette: Palette) -> Style:
    if not node.marks or node.small:
        return palette.dim if node.marks else palette.text
    return palette.bad if _BAD & {*node.marks} else palette.warn


def _condition_lines(step: _Step, edge: int, context: Context) -> list[Text]:
    palette = context.palette
    lead = " " * edge + "  " + step.below + ""
    return [
        cut(line((lead, palette.faint), (f"{word} ", palette.dim), (safe(text), palette.dim)), context.width)
        for word, text in step.node.conditions
    ]
