"""Switching on, switching off, and doing it twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from flask import Flask

from flasktop import FlaskTop, Middleware
from flasktop.errors import ConfigurationError, RegistrationError
from tests.agent.support import Box, serve

REPOSITORY = Path(__file__).parents[2]


def test_init_app_does_what_the_constructor_does(box: Box) -> None:
    app = Flask("late")
    FlaskTop().init_app(app)
    serve(app)

    assert box.route(box.trace()).app == "late"


def test_the_name_is_the_settings(box: Box) -> None:
    app = Flask("late")
    app.config["FLASKTOP_NAME"] = "shop"
    FlaskTop(app)
    serve(app)

    assert box.read().hello.apps == ("shop",)


def test_disabled_leaves_the_app_as_it_was() -> None:
    app = Flask("off")
    app.config["FLASKTOP_ENABLED"] = False
    before = {name: value for name, value in vars(app).items() if callable(value)}
    FlaskTop(app)

    assert app.wsgi_app == Flask.wsgi_app.__get__(app)
    assert {name: value for name, value in vars(app).items() if callable(value)} == before


def test_disabled_by_hand_passes_everything_through(world: Box, directory: Path) -> None:
    app = Flask("off")
    app.add_url_rule("/", view_func=lambda: "x")
    wrapped = Middleware(app.wsgi_app, config={"FLASKTOP_ENABLED": "no"})

    assert serve(wrapped).body == b"x"
    assert "full_dispatch_request" not in vars(app)
    assert not directory.exists()


def test_twice_is_an_error() -> None:
    app = Flask("twice")
    FlaskTop(app)

    with pytest.raises(RegistrationError, match="'twice' already"):
        FlaskTop(app)


def test_by_hand_and_by_extension_is_twice() -> None:
    app = Flask("twice")
    app.wsgi_app = Middleware(app.wsgi_app)  # type: ignore[method-assign]

    with pytest.raises(RegistrationError, match="'twice' already"):
        FlaskTop(app)


def test_a_wrong_setting_is_an_error_at_start_up() -> None:
    app = Flask("wrong")
    app.config["FLASKTOP_MAX_SPANS"] = "many"

    with pytest.raises(ConfigurationError, match="FLASKTOP_MAX_SPANS is 'many', but it takes a whole number"):
        FlaskTop(app)
    assert "wsgi_app" not in vars(app)


def test_nothing_starts_before_the_first_request(world: Box, directory: Path) -> None:
    threads = threading.active_count()
    descriptors = os.listdir("/proc/self/fd") if sys.platform == "linux" else []
    app = Flask("quiet")
    FlaskTop(app)

    assert threading.active_count() == threads
    assert not directory.exists()
    assert len(os.listdir("/proc/self/fd") if sys.platform == "linux" else []) == len(descriptors)


def loaded(code: str) -> set[str]:
    """The modules that a new interpreter has loaded after ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_of_it() -> None:
    own = {name for name in loaded("import flasktop") if name.startswith("flasktop")}

    assert own == {"flasktop", "flasktop._version"}


def test_switching_on_loads_nothing_but_msgspec_and_the_standard_library() -> None:
    more = loaded("import flask, flasktop; flasktop.FlaskTop(flask.Flask('x'))") - loaded("import flask")
    foreign = {name.partition(".")[0] for name in more} - set(sys.stdlib_module_names)

    assert foreign - {"typing_extensions"} == {"flasktop", "msgspec"}, "msgspec loads typing_extensions where it is"
    assert not {name for name in more if name.startswith(("flasktop.client", "flasktop.stats", "flasktop.tui"))}


def test_switching_on_starts_nothing_in_a_new_process(directory: Path) -> None:
    code = (
        "import flask, flasktop, threading, os; flasktop.FlaskTop(flask.Flask('x'));"
        f"assert threading.active_count() == 1 and not os.path.exists({str(directory)!r})"
    )
    assert "flasktop.agent.middleware" in loaded(code)
