from __future__ import annotations

import pytest

from flasktop.findings.model import Severity
from flasktop.findings.rules import repeated
from flasktop.stats.views import EndpointKey
from flasktop.tui.detail.endpoint import EndpointScreen
from flasktop.tui.detail.finding import FindingScreen
from flasktop.tui.options import AttachOptions
from tests.tui.shop import Shop
from tests.tui.stage import Stage, play

SIZES = ((80, 24), (120, 40), (200, 60))
AFTER_A_SLOW_LOOK = 60.0
"""Seconds after which the next look is due, however long the last one took on this machine."""
ORDERS = EndpointKey("shop", "GET", "/orders")


def select(stage: Stage, rule: str) -> None:
    """Put the cursor on the finding of ``rule``."""
    key = next(key for key in stage.order() if key.rule == rule)
    stage.panel.table.select(key)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_6_lists_what_is_wrong_and_enter_shows_the_proof_and_the_fix(size: tuple[int, int]) -> None:
    """At every size the sentence, the proof and the code of the fix are there."""

    async def act(stage: Stage) -> None:
        await stage.press("6")
        assert "loads Order.items" in stage.text()
        select(stage, repeated.NAME)
        await stage.press("enter")
        assert isinstance(stage.app.screen, FindingScreen)

        for said in ("loads Order.items one by one", "Proof", "ran 101 times in a request", "Fix", "selectinload"):
            assert said in stage.text()

    play(act, size=size)


def test_rows_concerned_have_a_mark_on_their_own_panels() -> None:
    async def act(stage: Stage) -> None:
        marks = stage.app.findings.marks
        line = next(line for line in stage.lines() if "/orders  " in line)

        assert marks[ORDERS] >= Severity.WARNING
        assert line.split()[0] in ("▲", "◆")

    play(act)


def test_a_finding_opens_the_rows_that_show_it_and_esc_comes_back() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("6")
        select(stage, repeated.NAME)
        await stage.press("enter", "enter")
        assert isinstance(stage.app.screen, EndpointScreen)
        await stage.press("escape", "escape")

        assert stage.on_main
        assert stage.panel.panel == "findings"
        assert getattr(stage.panel.table.selected_key, "rule", "") == repeated.NAME

    play(act)


def test_y_copies_the_finding_with_its_proof_and_fix() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("6")
        select(stage, repeated.NAME)
        await stage.press("y")

        for said in ("loads Order.items", "- SELECT", "Fix: Load Order.items", "selectinload(Order.items)"):
            assert said in stage.app.clipboard

    play(act)


def test_an_app_without_faults_is_told_so_in_words() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("6")

        assert "Nothing is wrong that flasktop can prove" in stage.text()
        assert stage.app.findings.marks == {}

    play(act, shop=Shop(load=0.0))


def test_frozen_findings_stand_still() -> None:
    """What a person reads must not change under their eyes; collection goes on."""

    async def act(stage: Stage) -> None:
        before = stage.app.findings.report
        await stage.press("space")
        stage.source.give(list(stage.shop.seconds(0, 10)))
        await stage.refresh(10.0)
        assert stage.app.findings.report is before
        await stage.press("space")
        await stage.refresh(AFTER_A_SLOW_LOOK)

        assert stage.app.findings.report is not before

    play(act)


def test_a_threshold_from_the_command_line_counts() -> None:
    from flasktop.findings.facts import Limits

    async def act(stage: Stage) -> None:
        assert not [one for one in stage.app.findings.report.findings if one.rule == repeated.NAME]

    play(act, options=AttachOptions(limits=Limits({repeated.REPEATS.name: 500.0})))


def test_evidence_that_is_refused_is_no_fault_of_the_screen() -> None:
    """A worker that grants nothing still has its findings, without plans and stacks."""

    async def act(stage: Stage) -> None:
        await stage.until(lambda: not stage.app.findings.gathering)
        await stage.refresh(AFTER_A_SLOW_LOOK)

        assert stage.app.findings.report.findings
        assert not stage.app.findings.report.faults

    play(act, options=AttachOptions(evidence=True))
