"""Which apps run, made from the workers that answered, and which of them a target names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flasktop.client.link import WorkerLink
from flasktop.errors import AmbiguousTargetError, NotRunningError
from flasktop.protocol.events import WorkerId
from flasktop.protocol.messages import Hello

SWITCH_ON: Final = (
    "Switch flasktop on with `from flasktop import FlaskTop; FlaskTop(app)`, start the app and send it a request."
)


@dataclass(frozen=True, slots=True)
class RunningApp:
    """One Flask application, served by the workers of one server.

    ``names`` has more than one where the workers hold several apps; ``name`` is for people. ``group`` is the
    server's (its master's pid, or that of the only worker), ``directory`` the app's working directory,
    ``started_at`` the start of its first worker (Unix seconds), ``requests`` how many its watched workers served
    (None: not watched). ``alive`` is False where only journals of killed workers are left.
    """

    name: str
    names: tuple[str, ...]
    group: int
    directory: str
    server: str
    workers: tuple[WorkerId, ...]
    sockets: tuple[Path, ...]
    started_at: float
    first_seen: float
    requests: int | None = None
    alive: bool = True

    def serves(self, hello: Hello) -> bool:
        """Whether a worker with this Hello belongs to this app."""
        return same_group(hello, self) and (not self.names or not hello.apps or bool({*self.names} & {*hello.apps}))

    def succeeds(self, before: RunningApp) -> bool:
        """Whether this may be the same app after a restart: same name, same place, another server."""
        same_place = self.directory == before.directory and bool({*self.names} & {*before.names})
        return same_place and self.group != before.group


def same_group(hello: Hello, app: RunningApp) -> bool:
    """Whether a worker belongs to the server that serves ``app``."""
    return (hello.group, hello.directory) == (app.group, app.directory)


def group_apps(links: Iterable[WorkerLink], *, alive: bool = True) -> tuple[RunningApp, ...]:
    """The apps of the workers in ``links`` that run (or, not ``alive``, that were killed), oldest first."""
    groups: list[tuple[Hello, set[str], list[WorkerLink]]] = []
    for link in links:
        hello = link.hello
        if hello is None or (not link.running if alive else link.state != "died"):
            continue
        for first, names, members in groups:
            if (first.group, first.directory) == (hello.group, hello.directory) and names & {*hello.apps}:
                names.update(hello.apps)
                members.append(link)
                break
        else:
            groups.append((hello, {*hello.apps}, [link]))
    apps = [_app(hello, names, members, alive) for hello, names, members in groups]
    return tuple(sorted(apps, key=lambda app: (app.started_at, app.group)))


def _app(hello: Hello, names: set[str], members: Sequence[WorkerLink], alive: bool) -> RunningApp:
    requests = [link.requests for link in members if link.requests is not None]
    return RunningApp(
        name=", ".join(sorted(names)) or "?",
        names=tuple(sorted(names)),
        group=hello.group,
        directory=hello.directory,
        server=hello.server,
        workers=tuple(sorted((link.worker for link in members if link.worker), key=lambda worker: worker.started_ms)),
        sockets=tuple(link.socket for link in members),
        started_at=min(link.hello.started_at for link in members if link.hello),
        first_seen=min(link.born for link in members),
        requests=sum(requests) if requests else None,
        alive=alive,
    )


def resolve(target: str | None, apps: Sequence[RunningApp]) -> RunningApp:
    """Return the one app that ``target`` names: a pid (of a worker or its master), an app's name, a socket's path.

    Raises:
        AmbiguousTargetError: more than one; the hint lists them.
        NotRunningError: none; the hint says which run, or how to switch flasktop on.
    """
    found = [app for app in apps if _names(target, app)]
    if len(found) == 1:
        return found[0]
    if not found:
        if not apps:
            said = "No running app answers." if target is None else f"No running app answers to {target!r}."
            raise NotRunningError(said, SWITCH_ON)
        raise NotRunningError(f"No running app answers to {target!r}.", f"Running: {choices(apps)}.")
    said = "are running" if target is None else f"answer to {target!r}"
    raise AmbiguousTargetError(f"{len(found)} apps {said}.", f"Name one by a pid: {choices(found)}.")


def choices(apps: Iterable[RunningApp]) -> str:
    """The apps on one line, each with what makes it unique."""
    return ", ".join(f"{app.name} ({app.server}, pid {app.workers[0].pid}, {app.directory})" for app in apps)


def _names(target: str | None, app: RunningApp) -> bool:
    if target is None:
        return True
    if "/" in target:
        return Path(target).absolute() in app.sockets
    pids = {app.group, *(worker.pid for worker in app.workers)}
    return target in app.names or (target.isdecimal() and int(target) in pids)
