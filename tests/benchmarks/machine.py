"""What every benchmark says of itself: the machine, the versions, and how medians are told."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib import metadata

from flasktop.commands import screen


def described(*packages: str) -> str:
    """The machine and the versions of everything that is measured, for the head of a report."""
    versions = [f"Python {sys.version.split()[0]}"]
    versions += [f"{name} {version(name)}" for name in packages]
    load = os.getloadavg()[0]
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, load {load:.1f}\n" + (
        ", ".join(versions)
    )


def version(package: str) -> str:
    """An installed package's version; "not installed" where it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as told:
            names = [line.partition(":")[2].strip() for line in told if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def collect_seldom() -> None:
    """Let the collector run as seldom as it does under a screen."""
    screen._collect_seldom()


def spread(figures: Sequence[float]) -> tuple[float, float]:
    """The quartiles of measurements, as a sign of how noisy they are."""
    if len(figures) < 3:
        return min(figures), max(figures)
    low, _, high = statistics.quantiles(figures, n=4)
    return low, high
