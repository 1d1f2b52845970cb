"""Looks at the drill-down screens with made-up data: ``python -m tests.tui.detail.driver endpoint|trace|statement``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from flasktop.stats.views import TraceId
from flasktop.tui.detail.endpoint import EndpointScreen
from flasktop.tui.detail.screen import DetailScreen
from flasktop.tui.detail.statement import StatementScreen
from flasktop.tui.detail.trace import TraceScreen
from flasktop.tui.themes import OWN
from tests.tui.detail.synthetic import ORDERS, WORKERS, DetailApp, find_key, lazy_key, shop, write_code


def first_screen(name: str, code: str) -> DetailScreen:
    """The screen of that name."""
    if name == "trace":
        return TraceScreen(TraceId(WORKERS[0], 0), [TraceId(WORKERS[i % 3], i) for i in range(10)])
    if name == "statement":
        return StatementScreen(lazy_key(code), [lazy_key(code), find_key(code)])
    return EndpointScreen(ORDERS)


def main() -> None:
    """Run it until ``ctrl+q``."""
    with tempfile.TemporaryDirectory() as folder:
        code = write_code(Path(folder))
        app = DetailApp(shop(code), first_screen(sys.argv[1], code))
        for theme in OWN:
            app.register_theme(theme)
        app.theme = sys.argv[2] if len(sys.argv) > 2 else "flasktop"
        app.run()


if __name__ == "__main__":
    main()
