"""A worker whose one view does what the test says, and a reader that asks it for plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flasktop import Middleware
from flasktop.agent.trace import current_trace
from flasktop.protocol.codec import encode
from flasktop.protocol.commands import Answer, Answered, Ask, Command, Failed
from flasktop.protocol.commands.explain import Explain, Planned
from tests.agent.sql.conftest import server, sqlite
from tests.agent.support import Box, serve, until
from tests.agent.test_server import Client

__all__ = ["server", "sqlite"]


class Worker:
    """One worker, and a reader of it."""

    def __init__(self, box: Box, config: dict[str, Any]) -> None:
        self.box = box
        self.work: Callable[[], Any] = lambda: None
        self.app = Middleware(self._answer, name="shop", config=config)
        self._number = 0
        self._client: Client | None = None

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.work()
        start_response("200 OK", [])
        return [b"x"]

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = Client(str(self.box.agent.files.socket))
        return self._client

    def run(self, work: Callable[[], Any]) -> list[int]:
        """The ids of the statements that ``work``, done in a request, runs; each once, in their order."""
        before = self.finished()
        self.work = work
        answer = serve(self.app)
        assert not answer.error, answer.error
        until(lambda: self.finished() > before)
        trace = [trace for frame in self.box.frames for trace in frame.traces][-1]
        known = self.box.statements
        numbers = dict.fromkeys(span.statement for span in trace.spans if known[span.statement].kind == "statement")
        self._taken()
        return list(numbers)

    def finished(self) -> int:
        """How many requests the journal holds."""
        return sum(len(frame.traces) for frame in self.box.frames)

    def _taken(self) -> None:
        from flasktop.agent.sql import engines

        until(lambda: not any(engine.seen for engine in engines.live()))

    def ask(self, number: int) -> Planned | Failed:
        """Ask for the plan of statement ``number``."""
        said = self.tell(Explain(number))
        assert isinstance(said, (Planned, Failed))
        return said

    def tell(self, command: Command) -> Answer | Failed:
        """What the worker says to a command."""
        self._number += 1
        asked = self._number
        client = self.client
        client.socket.sendall(encode(Ask(asked, command)))

        def found() -> Any:
            return next((said for said in client.of(Answered) + client.of(Failed) if said.id == asked), None)

        said: Any = client.until(found)
        answer: Answer | Failed = said if isinstance(said, Failed) else said.answer
        return answer

    def plan(self, number: int) -> Planned:
        planned = self.ask(number)
        assert isinstance(planned, Planned), planned
        return planned

    def planned(self, work: Callable[[], Any]) -> Planned:
        """The plan of the last statement of ``work``."""
        return self.plan(self.run(work)[-1])

    def refused(self, work: Callable[[], Any]) -> Failed:
        """Why there is no plan of the last statement of ``work``."""
        said = self.ask(self.run(work)[-1])
        assert isinstance(said, Failed), said
        return said

    def close(self) -> None:
        if self._client is not None:
            self._client.socket.close()


@pytest.fixture
def start(box: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    """Start a worker with a configuration; it may be asked as often as a test likes."""
    from flasktop.agent.commands import desk, services

    made: list[Worker] = []
    often = [
        services.Registration(each.factory, each.commands, each.grant, each.at_once, 1000) for each in services.SERVICES
    ]
    monkeypatch.setattr(desk, "SERVICES", often)

    def worker(**config: Any) -> Worker:
        made.append(Worker(box, config))
        serve(made[-1].app)
        until(made[-1].finished)  # not just a frame: the first may hold a sample alone
        return made[-1]

    yield worker
    for each in made:
        each.close()
    current_trace.set(None)


@pytest.fixture
def worker(start: Callable[..., Worker]) -> Worker:
    return start()
