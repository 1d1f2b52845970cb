"""The agent without the terminal's dependencies: an app that pins its own libraries is still watched.

Argument: the flasktop executable of another environment, which reads what this one serves.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile

assert importlib.util.find_spec("textual") is None, "this environment must not have the terminal's dependencies"

with tempfile.TemporaryDirectory() as folder:
    os.environ["FLASKTOP_DIR"] = folder
    from flask import Flask

    from flasktop import FlaskTop

    app = Flask("agent-only")
    FlaskTop(app)
    app.add_url_rule("/item/<int:number>", "item", lambda number: f"item {number}")
    client = app.test_client()
    for number in range(10):
        assert client.get(f"/item/{number}").status_code == 200
    printed = subprocess.run(
        [sys.argv[1], "snapshot", "agent-only", "--json"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    endpoints = json.loads(printed)["endpoints"]
    counts = [(row["method"], row["route"], row["count"]) for row in endpoints]
    assert counts == [("GET", "/item/<int:number>", 10)], counts
    demo = subprocess.run([sys.executable, "-m", "flasktop", "demo"], capture_output=True, text=True, timeout=60)
    assert demo.returncode == 1 and "agent alone" in demo.stderr and "Traceback" not in demo.stderr, demo.stderr
print("the agent alone works beside its app's own rich and click")
