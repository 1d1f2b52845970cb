"""Findings as plain data and as text: the same for ``check`` and ``snapshot``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from flasktop.findings.model import Finding, Severity
from flasktop.findings.words import endpoint_name
from flasktop.protocol.events import WorkerId
from flasktop.tui.draw.severity import GLYPHS
from flasktop.units import ms_unit, plural

COLORS: Final = {Severity.CRITICAL: "red", Severity.WARNING: "yellow", Severity.NOTICE: None}


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding as plain data."""
    subject, fix = finding.subject, finding.fix
    return {
        "rule": finding.rule,
        "severity": finding.severity.word,
        "title": finding.title,
        "endpoint": endpoint_name(finding.endpoint) if finding.endpoint else None,
        "pid": subject.pid if isinstance(subject, WorkerId) else None,
        "evidence": list(finding.evidence),
        "fix": fix.text,
        "code": fix.code or None,
        "source": f"{fix.file}:{fix.line}" if fix.file else None,
        "saves_ms": _rounded(finding.saves_ms),
        "saves_ms_per_s": _rounded(finding.saves_share * 1000) if finding.saves_share else None,
        "saves_bytes_per_hour": round(finding.saves_bytes) if finding.saves_bytes is not None else None,
        "blocks": [{"title": block.title, "text": block.text} for block in finding.blocks],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def finding_lines(findings: Sequence[Finding], width: int) -> Iterator[str]:
    """Findings for people, the worst first, a blank line before each."""
    for finding in findings:
        yield ""
        yield from _one(finding, width)


def _one(finding: Finding, width: int) -> Iterator[str]:
    head = f"{GLYPHS[finding.severity]} {finding.severity.word}  {finding.title}  [{finding.rule}]"
    for line in _wrapped(head, width, "", "  "):
        yield click.style(line, fg=COLORS[finding.severity], bold=True)
    for said in finding.evidence:
        yield from _wrapped(said, width, "  - ", "    ")
    if finding.saves_ms is not None:
        yield f"  Fixing it saves about {ms_unit(finding.saves_ms)} a request."
    where = f" ({finding.fix.file}:{finding.fix.line})" if finding.fix.file else ""
    yield from _wrapped(f"Fix: {finding.fix.text}{where}", width, "  ", "       ")
    for line in finding.fix.code.split("\n") if finding.fix.code else ():
        yield f"       {line}"


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def tally(findings: Sequence[Finding]) -> str:
    """``3 findings: 1 critical, 2 warnings``; ``no findings``."""
    if not findings:
        return "no findings"
    counts = {severity: sum(each.severity is severity for each in findings) for severity in sorted(GLYPHS)[::-1]}
    words = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.NOTICE: "notice"}
    said = [
        f"{number} {words[severity]}" if severity is Severity.CRITICAL else plural(number, words[severity])
        for severity, number in counts.items()
        if number
    ]
    return f"{plural(len(findings), 'finding')}: {', '.join(said)}"
