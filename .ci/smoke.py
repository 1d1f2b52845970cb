"""Smoke test of an installed flasktop: its commands, and the demo without a terminal. Argument: the executable."""

from __future__ import annotations

import subprocess
import sys

executable = sys.argv[1]


def run(*arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [executable, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    if done.returncode != code:
        sys.exit(
            f"flasktop {' '.join(arguments)} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


assert run("--version").strip().startswith("flasktop"), "no version"
for command in ("attach", "ps", "snapshot", "demo"):
    assert command in run("--help"), command
picture = run("demo")
for expected in ("shop", "GET /orders", "Order.items"):
    assert expected in picture, f"{expected} is not in what the demo printed:\n{picture}"
print("the wheel works: version, help and the demo's snapshot")
