"""6 Findings: what is wrong, worst first, and what the fix would give back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.screen import Screen

from flasktop.findings.model import Finding
from flasktop.findings.words import endpoint_name, place
from flasktop.protocol.events import WorkerId
from flasktop.stats.views import EndpointKey, StatementKey, Window
from flasktop.tui.columns import Column
from flasktop.tui.draw.palette import Palette
from flasktop.tui.draw.severity import marked_word, severity_style
from flasktop.tui.draw.text import fit, fit_left, safe
from flasktop.tui.feed import Feed
from flasktop.tui.keys import Scope
from flasktop.tui.panels.base import ListPanel
from flasktop.tui.panels.cells import cell, directory, number
from flasktop.tui.widgets.preview import Drawing
from flasktop.tui.widgets.tabs import Note
from flasktop.units import QUIET, bytes_, ms

RANK: Final = 1_000.0
"""Weight of a severity over what is saved, which is seconds a second: a thousand cores' worth."""


def about(finding: Finding) -> str:
    """The row that a finding is about, in a few words."""
    subject = finding.subject
    if isinstance(subject, EndpointKey):
        return endpoint_name(subject)
    if isinstance(subject, WorkerId):
        return f"worker {subject.pid}"
    if isinstance(subject, StatementKey):
        return endpoint_name(finding.endpoint) if finding.endpoint else place(subject.file, subject.line)
    return subject


def saving(finding: Finding) -> str:
    """What the fix gives back a request, or in memory an hour."""
    if finding.saves_ms is not None:
        return ms(finding.saves_ms)
    if finding.saves_bytes is not None:
        return f"{bytes_(finding.saves_bytes)}/h"
    return QUIET


def _saves(row: Finding, width: int, palette: Palette) -> Text:
    return number(saving(row), palette)


def _each_second(row: Finding, width: int, palette: Palette) -> Text:
    return number(ms(row.saves_share * 1000, quiet=True), palette)


def _place(row: Finding, width: int, palette: Palette) -> Text:
    return cell(fit_left(safe(place(row.fix.file, row.fix.line)) or "–", width), palette.dim)


def _title(row: Finding, width: int, palette: Palette) -> Text:
    return cell(fit(safe(row.title), width), severity_style(row.severity, palette))


def _rank(row: Finding) -> float:
    return row.severity * RANK + min(row.saves_share, RANK - 1)


COLUMNS: tuple[Column[Finding], ...] = (
    Column(
        "severity", "HOW BAD", 10, 0, lambda row, width, palette: marked_word(row.severity, palette),
        _rank, "Worst first, then by what the fix gives back",
        right=False, short="BAD",
    ),
    Column(
        "title", "WHAT IS WRONG", 30, 0, _title, lambda row: row.title, "In one sentence", right=False,
        descending=False, grow=4, widest=140, good=54,
    ),
    Column(
        "saves", "SAVES ms", 9, 1, _saves, lambda row: row.saves_ms,
        "What the fix would give back a request, estimated; memory: an hour", short="SAVES",
    ),
    Column(
        "share", "ms/s", 6, 5, _each_second, lambda row: row.saves_share,
        "The same over all requests: milliseconds of each second, estimated",
    ),
    Column(
        "place", "WHERE TO FIX IT", 18, 2, _place, lambda row: row.fix.file, "The line of your own code", right=False,
        descending=False, grow=1, widest=34, good=20,
    ),
    Column(
        "about", "ABOUT", 18, 6, lambda row, width, palette: cell(fit(safe(about(row)), width), palette.dim),
        about, "The endpoint, worker or pool", right=False, descending=False, grow=1, widest=30,
    ),
    Column(
        "rule", "RULE", 12, 7, lambda row, width, palette: cell(fit(row.rule, width), palette.dim),
        lambda row: row.rule, "The rule that found it", right=False, descending=False, widest=18, grow=1,
    ),
)  # fmt: skip


class FindingsPanel(ListPanel[Finding]):
    """One row a finding. Enter opens the proof and the fix."""

    panel: ClassVar[str] = "findings"
    digit: ClassVar[str] = "6"
    title: ClassVar[str] = "Findings"
    scope: ClassVar[Scope] = "findings"
    default_sort: ClassVar[str] = "severity"
    columns: ClassVar[Sequence[Column[Any]]] = COLUMNS

    def rows(self, feed: Feed) -> Sequence[Finding]:
        return self.flasktop.findings.report.findings

    def key(self, row: Finding) -> Hashable:
        return row.key

    def text(self, row: Finding) -> str:
        return " ".join((row.severity.word, row.rule, about(row), row.title, place(row.fix.file, row.fix.line)))

    def copied(self, row: Finding) -> str:
        from flasktop.tui.detail.finding_page import as_text

        return as_text(row)

    def opened(self, row: Finding) -> Screen[None]:
        from flasktop.tui.detail.finding import FindingScreen

        return FindingScreen(row.key)

    def nothing(self, window: Window) -> str:
        return (
            "Nothing is wrong that flasktop can prove, in the last five minutes.\n"
            "A rule speaks when it has seen enough requests; it would rather miss something than accuse wrongly."
        )

    def notes(self) -> list[Note]:
        desk = self.flasktop.findings
        notes = super().notes()
        if desk.gathering:
            notes.append(Note("gathering evidence", "dim"))
        return [*notes, *(Note(safe(fault), "warn") for fault in desk.report.faults)]

    def preview(self, row: Finding, feed: Feed) -> Drawing | None:
        from flasktop.tui.detail.finding_page import brief_lines

        root = directory(feed)
        return lambda width, height, palette: brief_lines(row, root, width, height, palette)
