"""Commands over a real socket: carried out, refused, cancelled, and never at the cost of the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flasktop import Middleware
from flasktop.agent.commands import desk
from flasktop.agent.commands.desk import EACH
from flasktop.agent.commands.job import CommandError, Job
from flasktop.agent.commands.services import SERVICES, Registration
from flasktop.agent.guard import LIMIT, guard
from flasktop.agent.runtime import Agent
from flasktop.protocol.codec import encode
from flasktop.protocol.commands import (
    BUSY,
    CANCELLED,
    FAULT,
    GONE,
    IMPOSSIBLE,
    NOT_GRANTED,
    Answer,
    Answered,
    Ask,
    Cancel,
    Command,
    Failed,
    Grant,
    Working,
)
from flasktop.protocol.commands.ping import Ping, Pong
from flasktop.protocol.messages import Caught
from tests.agent.sites import answering
from tests.agent.support import Box, serve, until
from tests.agent.test_server import Client


class Scripted:
    """A service that does what the test says: ``does`` is called with the job."""

    does: Callable[[Job], Answer]
    closed = False

    def __init__(self, agent: Agent) -> None:
        type(self).closed = False

    def run(self, command: Command, job: Job) -> Answer:
        return Scripted.does(job)

    def close(self) -> None:
        type(self).closed = True


Plan = Callable[..., Client]


@pytest.fixture
def asking(box: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    """Start a worker whose only command (Ping, here) does what the test says, and connect to it."""
    clients: list[Client] = []

    def start(
        does: Callable[[Job], Answer] | None = None,
        *,
        grant: Grant | None = None,
        at_once: int = 100,
        per_second: int = 100,
        **config: Any,
    ) -> Client:
        if does is not None:
            Scripted.does = staticmethod(does)
            service = Registration(f"{__name__}:Scripted", (Ping,), grant, at_once, per_second)
            monkeypatch.setattr(desk, "SERVICES", (service,))
        serve(Middleware(answering([b"x"]), name="shop", config=config))
        box.traces(1)
        clients.append(Client(str(box.agent.files.socket)))
        return clients[-1]

    yield start
    for client in clients:
        client.socket.close()


def ask(client: Client, number: int = 1) -> None:
    client.socket.sendall(encode(Ask(number, Ping())))


def answer(client: Client, number: int = 1) -> Answered | Failed:
    def found() -> Answered | Failed | None:
        return next((said for said in client.of(Answered) + client.of(Failed) if said.id == number), None)

    answered: Answered | Failed = client.until(found)
    return answered


def failing(error: Exception) -> Callable[[Job], Answer]:
    def fail(job: Job) -> Answer:
        raise error

    return fail


def test_every_registered_service_can_be_imported() -> None:
    for registration in SERVICES:
        module, _, name = registration.factory.partition(":")
        assert getattr(__import__(module, fromlist=[name]), name), registration


def test_a_command_is_answered_without_subscribing(asking: Plan) -> None:
    client = asking()
    ask(client)

    assert isinstance(answer(client), Answered)


def test_a_command_is_answered_beside_the_journal(asking: Plan) -> None:
    client = asking().subscribe()
    client.until(lambda: client.of(Caught))
    ask(client, 7)

    said = answer(client, 7)
    assert isinstance(said, Answered) and isinstance(said.answer, Pong)


def test_a_command_says_how_far_it_is(asking: Plan) -> None:
    def work(job: Job) -> Answer:
        job.working("counting", 2.5)
        return Pong(1.0)

    client = asking(work)
    ask(client)
    answer(client)

    (working,) = client.of(Working)
    assert (working.id, working.stage, working.expected_s) == (1, "counting", 2.5)


def test_a_grant_that_is_off_is_refused_and_names_the_key(asking: Plan) -> None:
    client = asking(lambda job: Pong(0.0), grant="explain", FLASKTOP_GRANTS="heap")
    ask(client)

    refused = answer(client)
    assert isinstance(refused, Failed) and refused.reason == NOT_GRANTED
    assert "FLASKTOP_GRANTS=heap,explain" in refused.hint


def test_no_app_of_a_worker_is_laid_open_by_another_ones_grants(box: Box, asking: Plan) -> None:
    guarded = Middleware(answering([b"x"]), name="guarded", config={"FLASKTOP_GRANTS": "stacks"})
    client = asking(lambda job: Pong(0.0), grant="heap")
    ask(client)

    refused = answer(client)
    assert isinstance(refused, Failed) and refused.reason == NOT_GRANTED
    assert box.agent.settings.grants == guarded.settings.grants


def test_a_command_that_cannot_says_why(asking: Plan) -> None:
    client = asking(failing(CommandError("No such thing.", "Ask for another.", GONE)))
    ask(client)

    assert answer(client) == Failed(1, GONE, "No such thing.", "Ask for another.")


def test_a_fault_of_ours_is_told_and_counted(asking: Plan, box: Box) -> None:
    client = asking(failing(ZeroDivisionError("oh")))
    ask(client)

    failed = answer(client)
    assert isinstance(failed, Failed) and failed.reason == FAULT and "ZeroDivisionError: oh" in failed.message
    assert guard.errors == 1
    guard.errors = 0  # it was meant to be


def test_a_fault_of_ours_runs_no_code_of_the_apps(asking: Plan) -> None:
    class Key:
        def __repr__(self) -> str:
            raise AssertionError("the app's code ran")

    client = asking(failing(KeyError(Key())))
    ask(client)

    failed = answer(client)
    assert isinstance(failed, Failed) and failed.message == "flasktop failed: KeyError."
    guard.errors = 0  # it was meant to be


def test_a_command_that_fails_again_and_again_is_switched_off(asking: Plan) -> None:
    client = asking(failing(ZeroDivisionError("oh")))
    for number in range(LIMIT):
        ask(client, number)
        answer(client, number)
    ask(client, LIMIT)

    refused = answer(client, LIMIT)
    assert isinstance(refused, Failed) and refused.reason == FAULT and "switched off" in refused.message
    guard.errors = 0  # it was meant to be


def test_an_answer_too_long_to_send_is_a_failure(asking: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    client = asking(failing(CommandError("x" * 2000)))
    monkeypatch.setattr(desk, "MAX_TO_READER", 1000)
    ask(client)

    failed = answer(client)
    assert isinstance(failed, Failed) and failed.reason == IMPOSSIBLE


def test_hanging_up_cancels(asking: Plan) -> None:
    cancelled = threading.Event()
    begun = threading.Event()

    def work(job: Job) -> Answer:
        job.on_cancel(cancelled.set)
        begun.set()
        cancelled.wait(20)
        return Pong(0.0)

    client = asking(work)
    ask(client)
    assert begun.wait(10)
    client.socket.close()

    assert cancelled.wait(10)


def test_a_cancelled_command_is_answered_as_cancelled(asking: Plan) -> None:
    begun = threading.Event()

    def work(job: Job) -> Answer:
        begun.set()
        until(lambda: job.cancelled)
        return Pong(0.0)

    client = asking(work)
    ask(client)
    assert begun.wait(10)
    client.socket.sendall(encode(Cancel(1)))

    failed = answer(client)
    assert isinstance(failed, Failed) and failed.reason == CANCELLED


def test_a_service_does_no_more_at_once_than_it_may(asking: Plan) -> None:
    go = threading.Event()

    def work(job: Job) -> Answer:
        go.wait(20)
        return Pong(0.0)

    client = asking(work, at_once=1)
    ask(client, 1)
    ask(client, 2)
    refused = answer(client, 2)
    go.set()

    assert isinstance(refused, Failed) and refused.reason == BUSY
    assert isinstance(answer(client, 1), Answered)
    ask(client, 3)
    assert isinstance(answer(client, 3), Answered)


def test_one_reader_cannot_take_all_places(asking: Plan) -> None:
    go = threading.Event()

    def work(job: Job) -> Answer:
        go.wait(20)
        return Pong(0.0)

    client = asking(work)
    for number in range(EACH + 1):
        ask(client, number)
    refused = answer(client, EACH)
    go.set()

    assert isinstance(refused, Failed) and refused.reason == BUSY


def test_the_rate_is_limited(asking: Plan) -> None:
    client = asking(lambda job: Pong(0.0), per_second=1)
    ask(client, 1)
    answer(client, 1)
    ask(client, 2)

    refused = answer(client, 2)
    assert isinstance(refused, Failed) and refused.reason == BUSY


def test_services_are_closed_with_the_worker(asking: Plan, box: Box) -> None:
    client = asking(lambda job: Pong(0.0))
    ask(client)
    answer(client)
    box.agent.stop()

    until(lambda: Scripted.closed)


def test_a_number_used_twice_does_not_free_the_place_of_what_runs(asking: Plan) -> None:
    go = threading.Event()

    def work(job: Job) -> Answer:
        go.wait(20)
        return Pong(0.0)

    client = asking(work, at_once=1)
    ask(client, 1)
    ask(client, 1)
    client.until(lambda: client.of(Failed))
    ask(client, 2)
    refused = answer(client, 2)
    go.set()

    assert isinstance(refused, Failed) and refused.reason == BUSY
    client.until(lambda: client.of(Answered))


def test_a_reader_that_takes_no_answers_is_cut(asking: Plan, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flasktop.agent.server.REPLIES_BYTES", 100_000)
    client = asking()
    many = b"".join(encode(Ask(number, Ping())) for number in range(1000))

    def cut() -> bool:
        try:
            client.socket.sendall(many)
        except OSError:
            return True
        return False

    until(cut)
    until(lambda: box.agent.server.readers == 0)


def test_a_thread_that_cannot_be_started_is_told(asking: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    client = asking(lambda job: Pong(0.0), at_once=1)

    def none(run: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr("flasktop.agent.native.start_thread", none)
        ask(client, 1)
        assert isinstance(answer(client, 1), Failed)
    ask(client, 2)
    assert isinstance(answer(client, 2), Answered)
