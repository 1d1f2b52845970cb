"""What is said in words, the same on every drill-down screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from flasktop.protocol.records import COMMIT, CONNECT, POOL_WAIT, ROLLBACK, STATEMENT
from flasktop.stats.split import TimeSplit
from flasktop.stats.views import EndpointKey, StatementKey, StatementUse, TraceView
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.split import legend, phase_figures
from flasktop.tui.draw.text import cut, joined, line, safe
from flasktop.units import bytes_, count, mean_count, ms_unit, plural

REPEATED = 10
"""From so many times in one request on, the same statement is worth a word."""

_KINDS = {
    COMMIT: "the transaction's COMMIT",
    ROLLBACK: "a ROLLBACK: by the app, or of a connection that goes back to its pool",
    CONNECT: "a new connection to the database",
    POOL_WAIT: "waiting for a free connection of the pool",
}


def endpoint_name(key: EndpointKey) -> str:
    """``GET /orders``."""
    return safe(f"{key.method} {key.route}")


def kind_words(key: StatementKey) -> str:
    """What a span is that is no statement of the app; empty for a statement."""
    return "" if key.kind == STATEMENT else _KINDS.get(key.kind, key.kind)


def relation(key: StatementKey, palette: Palette) -> Text:
    """``lazy Order.items``, for tables."""
    return line((f"lazy {safe(key.relationship)}", palette.warn)) if key.relationship else line()


def lazy_sentence(key: StatementKey, palette: Palette) -> Text:
    """Why a lazy load costs, in one sentence; empty for what is none."""
    if not key.relationship:
        return line()
    name = safe(key.relationship)
    return line(
        (f"lazy load of {name}", palette.warn + Style(bold=True)), (": one statement for each parent.", palette.text)
    )


def lazy_cure(key: StatementKey, palette: Palette) -> Text:
    """What loads the same in one statement, as code; empty for what is no lazy load."""
    parent, dot, _ = key.relationship.partition(".")
    if not dot:
        return line()
    code = safe(f"select({parent}).options(selectinload({key.relationship}))")
    return line(("In one statement: ", palette.dim), (code, palette.good + Style(bold=True)))


def repeated_words(use: StatementUse, palette: Palette) -> Text:
    """``100× in each request`` where that is so often that it is worth a word."""
    if use.per_request < REPEATED:
        return line()
    return line((f"{mean_count(use.per_request)}× in each request", palette.warn))


def status_text(trace: TraceView, palette: Palette) -> Text:
    """The status; ``–`` where no response was started."""
    style = palette.bad if trace.is_error else palette.warn if trace.status >= 400 else palette.text
    return line((str(trace.status) if trace.status else "–", style))


def trace_facts(trace: TraceView, palette: Palette) -> list[Text]:
    """What happened in a request, the most important first."""
    facts = [status_text(trace, palette)]
    if trace.error:
        left = " left the app" if trace.is_error and trace.status < 500 else ""
        facts.append(line((f"{safe(trace.error)}{left}", palette.bad if trace.is_error else palette.warn)))
    facts.append(line((ms_unit(trace.duration_ms), palette.strong)))
    facts.append(line((plural(trace.statements, "query", "queries"), palette.text)))
    if trace.rows:
        facts.append(line((plural(trace.rows, "row"), palette.text)))
    facts.append(line((bytes_(trace.bytes_sent), palette.text)))
    facts += phase_figures(trace.phases, palette)
    facts.append(_fact("thread CPU", trace.cpu_ms, palette))
    if trace.closed_early:
        facts.append(line(("body closed before its end", palette.warn)))
    if trace.offloaded:
        facts.append(line(("body given to the server as a file", palette.dim)))
    return facts


def _fact(name: str, value: float | None, palette: Palette) -> Text:
    return line((f"{name} ", palette.dim), (ms_unit(value), palette.text))


def flowed(parts: Sequence[Text], width: int, palette: Palette, separator: str = " · ") -> list[Text]:
    """``parts`` with separators, broken into as many lines as they need."""
    lines: list[Text] = []
    row: list[Text] = []
    dot = line((separator, palette.dim))
    for part in (part for part in parts if part):
        if row and joined([*row, part], dot).cell_len > width:
            lines.append(joined(row, dot))
            row = []
        row.append(part)
    if row:
        lines.append(joined(row, dot))
    return [cut(each, width) for each in lines]


def split_figures(split: TimeSplit, width: int, palette: Palette, *, roomy: bool) -> list[Text]:
    """What a bar of ``split`` shows, in figures; not ``roomy``: without percentages where they take another line."""
    figures = flowed(legend(palette, split), width, palette, "  ")
    return figures if roomy or len(figures) < 2 else flowed(legend(palette, split, brief=True), width, palette, "  ")


def fitted(parts: Sequence[Text], width: int, lines: int, palette: Palette, separator: str = " · ") -> list[Text]:
    """``flowed`` in at most ``lines`` lines: what comes last is left out where it does not fit."""
    kept = list(parts)
    while len(made := flowed(kept, width, palette, separator)) > lines and kept:
        kept.pop()
    return made


def count_of(number: float, noun: str, palette: Palette) -> Text:
    """``412 requests`` with the number strong."""
    return line((count(number), palette.strong), (f" {noun if number == 1 else noun + 's'}", palette.dim))


def wrapped(text: str, width: int, style: Style, hanging: str = "") -> list[Text]:
    """``text`` over as many lines as it needs, at spaces; at most six."""
    lines: list[str] = []
    row = ""
    for word in text.split():
        if row and len(row) + 1 + len(word) > width:
            lines.append(row)
            row = hanging + word
        else:
            row = f"{row} {word}" if row else word
    lines.append(row)
    shown = lines[:6] if len(lines) <= 6 else [*lines[:5], lines[5][: width - 1] + "…"]
    return [cut(line((each, style)), width) for each in shown]
