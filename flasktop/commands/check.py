"""``flasktop check``: the rules without a screen, for CI."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import click

from flasktop.client.collect import Collected, collect
from flasktop.client.inspection import Looking
from flasktop.commands.document import running
from flasktop.commands.findings_text import finding_document, finding_lines, tally
from flasktop.commands.junit import junit as junit_xml
from flasktop.commands.output import FAILED, UNREACHABLE, print_lines, terminal_width
from flasktop.commands.snapshot import narrate
from flasktop.errors import ConfigurationError, FlasktopError, NotRunningError
from flasktop.findings.budgets import more_statements_than, slower_than
from flasktop.findings.facts import Limits
from flasktop.findings.model import Finding, Rule
from flasktop.findings.registry import RULES, THRESHOLDS
from flasktop.stats.views import Window
from flasktop.units import plural

VERSION = 1


def check(
    target: str | None,
    *,
    directory: str | None,
    seconds: float,
    max_p95: float | None = None,
    max_queries: int | None = None,
    fail_on: str | None = None,
    thresholds: tuple[str, ...] = (),
    junit: str | None = None,
    as_json: bool = False,
) -> int:
    """Collect for ``seconds``, ask all rules, print what they say; return 0, or 1 if something fails the check.

    Raises:
        ConfigurationError: there is no such rule or threshold, or two kinds of output are asked for.
        AmbiguousTargetError, NotRunningError: see ``flasktop.client.apps.resolve``; or there was no request at all,
            so that nothing was checked.
    """
    if junit is not None and as_json:
        raise ConfigurationError("--json and --junit are two kinds of output.", "Ask for one of them.")
    rules = (*RULES, *_budgets(max_p95, max_queries))
    failing_rules = _named(fail_on, rules)
    looking = Looking(Limits.parse(thresholds, THRESHOLDS), rules)
    collected = asyncio.run(collect(target, directory=directory, seconds=seconds, looking=looking))
    narrate(collected)
    _require_requests(collected)
    for fault in collected.report.faults:
        click.echo(f"flasktop: {fault}", err=True)
    failing = [finding for finding in collected.report.findings if finding.rule in failing_rules]
    _print(collected, rules, failing, junit, as_json)
    if collected.app is not None and collected.app.alive and not _still_there(collected):
        click.echo(f"flasktop: {_name(collected)} ended while it was being checked.", err=True)
        return UNREACHABLE
    return FAILED if failing or collected.report.faults else 0


def _print(
    collected: Collected, rules: Sequence[Rule], failing: Sequence[Finding], junit: str | None, as_json: bool
) -> None:
    """Write the JUnit file, or print JSON or text."""
    if junit is not None:
        _write(junit, junit_xml(_name(collected), rules, collected.report.findings, failing))
    elif as_json:
        print_lines([json.dumps(_document(collected, failing), indent=2)])
    else:
        print_lines(_text(collected, failing))


def _budgets(max_p95: float | None, max_queries: int | None) -> tuple[Rule, ...]:
    slow = () if max_p95 is None else (slower_than(max_p95),)
    return slow if max_queries is None else (*slow, more_statements_than(max_queries))


def _named(fail_on: str | None, rules: Sequence[Rule]) -> set[str]:
    known = {rule.name for rule in rules}
    if fail_on is None:
        return known
    chosen = {name.strip() for name in fail_on.split(",") if name.strip()}
    unknown = sorted(chosen - known)
    if unknown:
        raise ConfigurationError(f"There is no rule {unknown[0]!r}.", f"There are: {', '.join(sorted(known))}.")
    return chosen


def _require_requests(collected: Collected) -> None:
    if not _requests(collected):
        raise NotRunningError(
            f"{_name(collected)} has not answered a single request, so there is nothing to check.",
            "Put load on it meanwhile, and use --for SECONDS to collect longer.",
        )


def _requests(collected: Collected) -> int:
    return sum(row.count for row in _endpoints(collected))


def _endpoints(collected: Collected) -> Sequence[Any]:
    return collected.store.endpoints(time.monotonic(), Window.ALL)


def _still_there(collected: Collected) -> bool:
    return any(map(running, collected.store.workers(time.monotonic(), Window.ALL)))


def _name(collected: Collected) -> str:
    return collected.app.name if collected.app else "The app"


def _seen(collected: Collected) -> str:
    rows = _endpoints(collected)
    return f"{plural(sum(row.count for row in rows), 'request')} of {plural(len(rows), 'endpoint')}"


def _text(collected: Collected, failing: Sequence[Finding]) -> list[str]:
    findings = collected.report.findings
    last = f"{_name(collected)}: {tally(findings)} in {_seen(collected)}."
    if len(failing) != len(findings):
        last += f" {plural(len(failing), 'of them fails', 'of them fail')} the check."
    lines = list(finding_lines(findings, terminal_width()))
    return [*lines[1:], *([""] if lines else []), click.style(last, bold=True)]


def _document(collected: Collected, failing: Sequence[Finding]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "app": _name(collected),
        "passed": not failing and not collected.report.faults,
        "requests": _requests(collected),
        "endpoints": len(_endpoints(collected)),
        "findings": [{**finding_document(each), "fails": each in failing} for each in collected.report.findings],
        "faults": list(collected.report.faults),
    }


def _write(file: str, text: str) -> None:
    if file == "-":
        print_lines([text])
        return
    try:
        with open(file, "w", encoding="utf-8") as out:
            out.write(f"{text}\n")
    except OSError as error:
        raise FlasktopError(f"{file} cannot be written: {error.strerror}.", "Name another file.") from error
