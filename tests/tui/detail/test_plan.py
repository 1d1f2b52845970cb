"""The plan of a statement on the screen: asked for with x, in words, as a tree, and where there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flasktop.client.ask import A, CommandFailedError, OnWorking
from flasktop.errors import NotRunningError
from flasktop.protocol.commands import GONE, NOT_GRANTED, Command, Working
from flasktop.protocol.commands.explain import GENERIC, LAST, Explain, Planned
from flasktop.protocol.events import WorkerId
from flasktop.protocol.records import STATEMENT
from flasktop.stats.plans import MOST
from flasktop.tui.detail.plan import Asking, PlanScreen
from tests.tui.shop import Feeding
from tests.tui.stage import Stage, play

RECORDED = Path(__file__).parents[2] / "stats" / "plans"
SIZES = ((60, 12), (80, 24), (120, 40), (200, 60))


def planned(database: str, name: str, **changes: Any) -> Planned:
    recorded = json.loads((RECORDED / f"{database}.json").read_text())
    return answer(database, json.dumps(recorded["plans"][name]), version=recorded["version"], **changes)


def answer(dialect: str, plan: str, **changes: Any) -> Planned:
    said = {"version": "1", "parameters": LAST, "seen_at": 1.7e9, "planned_at": 1.7e9, "seconds": 0.0123, **changes}
    return Planned(1, dialect, plan=plan, **said)


def feeding(found: Any) -> Feeding:
    made = Feeding()
    made.answers[Explain] = found
    return made


async def to_statement(stage: Stage) -> None:
    await stage.press("2")
    stage.panel.table.select(next(key for key in stage.order() if key.kind == STATEMENT))


async def open_plan(stage: Stage) -> PlanScreen:
    """Queries, the first statement, its plan."""
    await to_statement(stage)
    await stage.press("x")
    screen = stage.app.screen
    assert isinstance(screen, PlanScreen)
    await stage.until(lambda: not isinstance(screen.view, Asking))
    await stage.pilot.pause()
    return screen


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("database", "name"), [("postgresql", "sort"), ("mariadb", "subquery"), ("sqlite", "join")])
def test_a_plan_fits_every_terminal(size: tuple[int, int], database: str, name: str) -> None:
    async def act(stage: Stage) -> None:
        await open_plan(stage)

        assert all(len(line) <= size[0] for line in stage.lines())
        assert "Reads all of" in stage.text() or "Finds rows" in stage.text()

    play(act, size=size, source=feeding(planned(database, name)))


def test_a_plan_is_said_in_words_and_as_a_tree() -> None:
    async def act(stage: Stage) -> None:
        await open_plan(stage)
        text = stage.text()

        assert "▲ Reads all of rec_review, an estimated 20,000 rows." in text
        assert "◆ Sorts an estimated 20,000 rows by title." in text
        assert "PostgreSQL 15.20" in text and "in 12 ms" in text and "nothing was run" in text
        assert "EST. ROWS" in text and "COST" in text and "└─ Seq Scan  rec_review  reads all rows" in text
        assert "20.0k" in text

    play(act, source=feeding(planned("postgresql", "sort")))


def test_what_the_plan_lacks_is_said() -> None:
    found = planned("sqlite", "by key", parameters=GENERIC, notes=("In the app a listener sets up new connections.",))

    async def act(stage: Stage) -> None:
        await open_plan(stage)
        text = stage.text()

        assert "Planned for any parameters: those that it ran with were not kept." in text
        assert "In the app a listener" in text and "the database estimates no rows" in text
        assert "✓ Finds rows through an index: rec_review by primary key." in text

    play(act, source=feeding(found))


def test_the_worker_in_view_is_asked_by_its_own_id() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("W", "W")
        worker = stage.app.feed.worker
        screen = await open_plan(stage)
        (asked,) = stage.source.asked
        numbers = dict(stage.app.feed.store.local_ids(screen.key))

        assert asked[0] == worker and worker is not None
        assert asked[1] == Explain(numbers[worker][-1])

    play(act, source=feeding(planned("sqlite", "sort")))


def test_a_worker_that_does_not_know_it_is_not_the_last_word() -> None:
    first: list[WorkerId] = []

    def found(worker: WorkerId, command: Command) -> Planned | Exception:
        first.append(worker)
        if len(first) == 1:
            return NotRunningError("The worker does not answer.", "It may have ended.")
        if len(first) == 2:
            return CommandFailedError("Not held any more.", "Ask again.", GONE)
        return planned("sqlite", "sort")

    async def act(stage: Stage) -> None:
        await open_plan(stage)

        assert len(set(first)) == 3
        assert f"by worker {first[-1].pid}" in stage.text()

    play(act, source=feeding(found))


def test_a_refusal_is_said_in_words_and_x_asks_again() -> None:
    refused = CommandFailedError("This app does not allow 'explain'.", "Set FLASKTOP_GRANTS=explain.", NOT_GRANTED)

    async def act(stage: Stage) -> None:
        await open_plan(stage)
        assert "✗ This app does not allow 'explain'." in stage.text() and "FLASKTOP_GRANTS" in stage.text()
        assert len(stage.source.asked) == 1  # others would say the same

        stage.source.answers[Explain] = planned("sqlite", "sort")
        await stage.press("x")
        await stage.until(lambda: "Reads all of rec_review" in stage.text())

    play(act, source=feeding(refused))


def test_a_plan_nobody_understands_is_shown_to_be_so_and_can_be_copied() -> None:
    async def act(stage: Stage) -> None:
        screen = await open_plan(stage)

        assert "does not understand this plan" in stage.text()
        assert screen.copied().endswith('{"odd"')

    play(act, source=feeding(answer("postgresql", '{"odd"')))


@pytest.mark.parametrize("size", [(60, 12), (200, 60)])
def test_a_huge_plan_with_markup_and_controls_is_drawn(size: tuple[int, int]) -> None:
    leaf = {
        "Node Type": "Seq Scan",
        "Relation Name": "a[/b]\x1b[31m" + "x" * 300,
        "Plan Rows": 1e15,
        "Total Cost": 1e14,
    }
    deep: dict[str, Any] = {"Node Type": "Append", "Plans": [leaf] * MOST}
    for _ in range(50):
        deep = {"Node Type": "Nested Loop", "Join Filter": "y" * 500, "Plans": [deep]}

    async def act(stage: Stage) -> None:
        await open_plan(stage)
        await stage.press("G", "pageup", "g", "pagedown")

        assert "\x1b" not in stage.text()

    play(act, size=size, source=feeding(answer("postgresql", json.dumps([{"Plan": deep}]))))


def test_y_copies_statement_words_tree_and_the_plan_as_it_came() -> None:
    async def act(stage: Stage) -> None:
        screen = await open_plan(stage)
        copied = screen.copied()

        assert screen.key.text in copied
        assert "Sort (rows 20,000, cost 1,804.8): sorts the rows" in copied
        assert '"Node Type"' in copied

    play(act, source=feeding(planned("postgresql", "sort")))


def test_n_plans_the_next_statement() -> None:
    async def act(stage: Stage) -> None:
        screen = await open_plan(stage)
        before = screen.key
        await stage.press("n")
        await stage.until(lambda: len(stage.source.asked) == 2)

        assert screen.key != before and screen.key.kind == STATEMENT

    play(act, source=feeding(planned("postgresql", "sort")))


def test_a_frozen_picture_does_not_change() -> None:
    async def act(stage: Stage) -> None:
        await open_plan(stage)
        await stage.press("space")
        before = stage.text().splitlines()[3:-1]
        await stage.refresh(30)

        assert before == stage.text().splitlines()[3:-1]

    play(act, source=feeding(planned("postgresql", "sort")))


def test_what_is_no_statement_has_no_plan() -> None:
    async def act(stage: Stage) -> None:
        await stage.press("2")
        stage.panel.table.select(next(key for key in stage.order() if key.kind != STATEMENT))
        await stage.press("x")

        assert stage.on_main and not stage.source.asked

    play(act, source=feeding(planned("postgresql", "sort")))


def test_x_works_on_a_statement_and_on_the_lines_of_endpoints_and_requests() -> None:
    async def act(stage: Stage) -> None:
        for way in (["1", "enter"], ["1", "enter", "enter"], ["L", "enter"]):
            await stage.press(*way)
            depth = len(stage.app.screen_stack)
            await stage.press("x")
            assert isinstance(stage.app.screen, PlanScreen), way
            await stage.press("escape")
            assert len(stage.app.screen_stack) == depth
            while not stage.on_main:
                await stage.press("escape")

    play(act, source=feeding(planned("postgresql", "sort")))


@dataclass
class Waiting:
    """What is asked and not answered yet."""

    told: Callable[[Working], None] | None = None
    cancelled: bool = False


class Slow(Feeding):
    """Never answers."""

    def __init__(self, waiting: Waiting) -> None:
        super().__init__()
        self.waiting = waiting

    async def ask(self, worker: WorkerId, command: Command, answer: type[A], on_working: OnWorking | None = None) -> A:
        self.waiting.told = on_working
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.waiting.cancelled = True
            raise
        raise AssertionError


def test_waiting_is_shown_and_leaving_cancels() -> None:
    waiting = Waiting()

    async def act(stage: Stage) -> None:
        await to_statement(stage)
        await stage.press("x")
        await stage.until(lambda: waiting.told is not None)
        assert waiting.told is not None
        waiting.told(Working(1, "asking the database", 1.0))
        stage.clock.now += 3
        await stage.until(lambda: "Planning: asking the database" in stage.text() and "3 s" in stage.text())
        await stage.press("escape")
        await stage.until(lambda: waiting.cancelled)

    play(act, source=Slow(waiting))
