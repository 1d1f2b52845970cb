"""One finding as lines: the sentence, the proof, the fix with its code, and what can be opened to see for oneself."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from rich.style import Style
from rich.text import Text

from flasktop.findings.model import Block, Finding, Fix, Rule
from flasktop.findings.words import endpoint_name, place
from flasktop.protocol.events import WorkerId
from flasktop.stats.statements import summary
from flasktop.stats.views import EndpointKey, StatementKey, TraceId
from flasktop.tui.detail.context import Context
from flasktop.tui.detail.lists import plain, sections
from flasktop.tui.detail.page import Line
from flasktop.tui.detail.words import flowed, wrapped
from flasktop.tui.draw.code import coloured
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.severity import GLYPHS, marked_word, severity_style
from flasktop.tui.draw.source import NEWER, read_source, source_lines
from flasktop.tui.draw.source import place as place_in
from flasktop.tui.draw.text import cut, fit, line, safe
from flasktop.tui.widgets.preview import beside
from flasktop.units import bytes_, ms_unit

SEE: Final = "see"
"""The section of the lines that can be opened."""

BULLET: Final = "• "
INDENT: Final = "  "
SIDE_BY_SIDE: Final = 106
"""Cells from which on proof and fix stand beside each other under the list."""


def finding_lines(finding: Finding, rule: Rule | None, context: Context) -> list[Line]:
    """The whole page."""
    return sections(
        plain(_head(finding, context)),
        plain(_proof(finding, context)),
        plain(_fix(finding.fix, context)),
        *(plain(_block(block, context)) for block in finding.blocks),
        _see(finding, context),
        plain(_wrong_when(rule, context)),
    )


def brief_lines(finding: Finding, root: str, width: int, height: int, palette: Palette) -> list[Text]:
    """Proof and fix in a few lines, beside or below each other."""
    at = width // 2 if width >= SIDE_BY_SIDE else width
    proof_width = at - 3 if at < width else width
    proof = [line(("proof", palette.strong))]
    for said in finding.evidence:
        proof += wrapped(f"{BULLET}{safe(said)}", proof_width, palette.text, INDENT)
    fix = [line(("fix", palette.strong), ("  ↵ shows all of it", palette.dim))]
    fix += wrapped(safe(finding.fix.text), width - at if at < width else width, palette.text)
    fix += _code(finding.fix, palette)
    if at < width:
        if finding.fix.file and height - len(fix) >= 3:
            fix += _place_lines(finding.fix, root, None, width - at, height - len(fix), palette)
        return beside(proof, fix, at)[:height]
    room = max(2, height - len(fix) - 1)
    return [*proof[:room], *fix][:height]


def as_text(finding: Finding) -> str:
    """The finding as text, to be pasted into a ticket."""
    parts = [f"{finding.title} ({finding.severity.word}, {finding.rule})", ""]
    parts += [f"- {said}" for said in finding.evidence]
    parts += ["", f"Fix: {finding.fix.text}"]
    if finding.fix.file:
        parts.append(f"at {finding.fix.file}:{finding.fix.line}")
    if finding.fix.code:
        parts += ["", *(f"    {each}" for each in finding.fix.code.split("\n"))]
    for block in finding.blocks:
        parts += ["", f"{block.title}:", *(f"    {each}" for each in block.text.split("\n"))]
    return "\n".join(parts)


def _head(finding: Finding, context: Context) -> list[Text]:
    palette = context.palette
    style = severity_style(finding.severity, palette) + Style(bold=True)
    glyph = GLYPHS[finding.severity]
    title = wrapped(f"{glyph} {safe(finding.title)}", context.width, style, INDENT)
    facts = [marked_word(finding.severity, palette), *_savings(finding, palette)]
    return [*title, *flowed(facts, context.width, palette)]


def _savings(finding: Finding, palette: Palette) -> list[Text]:
    """What the fix gives back, as estimated."""
    if finding.saves_ms is not None:
        made = line(("fixing it saves ≈ ", palette.dim), (ms_unit(finding.saves_ms), palette.strong))
        made.append(" a request", palette.dim)
        if finding.saves_share:
            made.append(", ", palette.dim)
            made.append(ms_unit(finding.saves_share * 1000), palette.strong)
            made.append(" of each second", palette.dim)
        return [made]
    if finding.saves_bytes is not None:
        saved = (bytes_(finding.saves_bytes), palette.strong)
        return [line(("fixing it saves ≈ ", palette.dim), saved, (" an hour", palette.dim))]
    return []


def _proof(finding: Finding, context: Context) -> list[Text]:
    palette = context.palette
    made = [line(("Proof", palette.strong))]
    for said in finding.evidence:
        made += wrapped(f"{BULLET}{safe(said)}", context.width, palette.text, INDENT)
    return made


def _fix(fix: Fix, context: Context) -> list[Text]:
    palette = context.palette
    made = [line(("Fix", palette.strong))]
    made += wrapped(safe(fix.text), context.width, palette.good)
    made += [cut(each, context.width) for each in _code(fix, palette)]
    if fix.file:
        height = max(5, min(11, context.height // 3))
        made += _place_lines(fix, context.directory, context.started_at, context.width, height, palette)
    return made


def _code(fix: Fix, palette: Palette) -> list[Text]:
    return [] if not fix.code else _indented(coloured(_lines(fix.code), fix.language, palette))


def _indented(code: Text) -> list[Text]:
    return [line(INDENT * 2, each) for each in code.split("\n", allow_blank=True)]


def _lines(text: str) -> str:
    return "\n".join(safe(each) for each in text.split("\n"))


def _place_lines(
    fix: Fix, root: str, started_at: float | None, width: int, height: int, palette: Palette
) -> list[Text]:
    """The place of the fix, and the code around it."""
    source = read_source(fix.file, fix.line, started_at)
    head = line(("at ", palette.dim), (place_in(fix.file, fix.line, root, width - 4), palette.strong))
    if source.newer and head.cell_len + 2 + len(NEWER) <= width:
        head.append(f"  {NEWER}", palette.warn)
    return [head, *source_lines(source, width, height - 1, palette)]


def _block(block: Block, context: Context) -> list[Text]:
    made = [line((safe(block.title), context.palette.strong))]
    code = coloured(_lines(block.text), block.language, context.palette)
    return [*made, *(cut(each, context.width) for each in _indented(code))]


def _see(finding: Finding, context: Context) -> list[Line]:
    """The rows that prove it, to be opened."""
    palette = context.palette
    rows = [(key, words) for key in dict.fromkeys((finding.subject, *finding.concerns)) if (words := _row_words(key))]
    if not rows:
        return []
    lines = [Line(line(("See for yourself", palette.strong), ("  ↵ opens", palette.dim)))]
    for key, (kind, name) in rows:
        text = line((f"{kind:<10}", palette.dim), (fit(safe(name), context.width - 12), palette.text))
        lines.append(Line(line(INDENT, text), (SEE, key), SEE))
    return lines


def _row_words(key: Hashable) -> tuple[str, str] | None:
    if isinstance(key, EndpointKey):
        return "endpoint", endpoint_name(key)
    if isinstance(key, StatementKey):
        where = place(key.file, key.line)
        return "statement", f"{where}  {summary(key.text)}".strip()
    if isinstance(key, TraceId):
        return "request", f"number {key.number} of worker {key.worker.pid}, one of the slowest that show it"
    if isinstance(key, WorkerId):
        return "heap", f"of worker {key.pid}"
    return None


def _wrong_when(rule: Rule | None, context: Context) -> list[Text]:
    if rule is None:
        return []
    palette = context.palette
    made = [line(("When this is wrong", palette.strong)), *wrapped(rule.wrong_when, context.width, palette.dim)]
    for threshold in rule.thresholds:
        said = f"{BULLET}{threshold.name} = {threshold.default:g}: {threshold.about}"
        made += wrapped(said, context.width, palette.dim, INDENT)
    return made
