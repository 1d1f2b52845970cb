"""A check as JUnit XML, which CI servers show: one test case a rule that is clean, one a finding."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import click

from flasktop.commands.findings_text import finding_lines
from flasktop.findings.model import Finding, Rule
from flasktop.findings.words import endpoint_name

WIDTH = 100


def junit(app: str, rules: Sequence[Rule], findings: Sequence[Finding], failing: Sequence[Finding]) -> str:
    """Return the XML. Findings that are not ``failing`` are passed cases whose output tells them."""
    suite = ElementTree.Element("testsuite", name=f"flasktop check {app}")
    for rule in rules:
        found = [finding for finding in findings if finding.rule == rule.name]
        for finding in found:
            case = ElementTree.SubElement(suite, "testcase", classname=f"flasktop.{rule.name}", name=_name(finding))
            text = click.unstyle("\n".join(finding_lines([finding], WIDTH))).strip()
            if finding in failing:
                failure = ElementTree.SubElement(case, "failure", type=rule.name, message=finding.title)
                failure.text = text
            else:
                ElementTree.SubElement(case, "system-out").text = text
        if not found:
            ElementTree.SubElement(suite, "testcase", classname=f"flasktop.{rule.name}", name=rule.looks_for)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(failing)))
    suite.set("errors", "0")
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _name(finding: Finding) -> str:
    return endpoint_name(finding.endpoint) if finding.endpoint else finding.title
