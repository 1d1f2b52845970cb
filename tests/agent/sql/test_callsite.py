"""The user's own line: never a library's, the template's own for a template, found across greenlets too."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import jinja2
import pytest
import sqlalchemy
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from flasktop.agent.sql import callsite
from flasktop.agent.trace import SpanRecord, sink
from tests.agent.sql.conftest import Order, Recorder


def here(offset: int = 0) -> int:
    frame: FrameType = sys._getframe(1)
    return frame.f_lineno + offset


def place(span: SpanRecord) -> tuple[str, int, str]:
    assert span.identity.code is not None
    return callsite.locate(span.identity.code, span.identity.instruction)


def test_a_core_statement_has_the_line_of_its_execute(engine: Engine, recorder: Recorder) -> None:
    with engine.connect() as connection:
        line = here(1)
        connection.execute(select(Order.id)).all()

    assert (__file__, line) == place(recorder.last)[:2]
    assert "test_a_core_statement_has_the_line_of_its_execute" in place(recorder.last)[2]


def test_every_way_to_execute_has_its_line(sqlite: Engine, recorder: Recorder) -> None:
    lines = []
    with sqlite.connect() as connection, Session(sqlite) as session:
        lines.append(here(1))
        connection.execute(text("select 1"))
        lines.append(here(1))
        connection.exec_driver_sql("select 2")
        lines.append(here(1))
        connection.scalar(select(Order.id))
        lines.append(here(1))
        session.execute(select(Order))
        lines.append(here(1))
        session.query(Order).all()
        lines.append(here(1))
        session.get(Order, 1)
        lines.append(here(1))
        session.execute(text("select 3"))
        lines.append(here(1))
        connection.execute(select(Order.id).execution_options(yield_per=2)).all()

    assert lines == [place(span)[1] for span in recorder.statements]


def test_a_lazy_load_has_the_line_that_touched_the_attribute(sqlite: Engine, recorder: Recorder) -> None:
    with Session(sqlite) as session:
        order = session.get(Order, 1)
        assert order is not None
        line = here(1)
        len(order.items)

    assert (__file__, line) == place(recorder.last)[:2]


def test_a_comprehension_and_a_helper_are_named(sqlite: Engine, recorder: Recorder) -> None:
    def helper() -> Any:
        return connection.execute(select(Order.id)).all()

    with sqlite.connect() as connection:
        [helper() for _ in range(2)]

    assert {"helper"} == {place(span)[2].rpartition(".")[2] for span in recorder.statements}


def test_a_nearer_line_of_the_user_is_found_where_a_library_was_before(sqlite: Engine, recorder: Recorder) -> None:
    """The same statement, by the same outer line and as deep in the stack: what is remembered must not be taken."""
    with sqlite.connect() as connection:
        statement = select(Order.id)

        def nearer(statement: Any) -> Any:
            return connection.execute(statement)

        library: dict[str, Any] = {"connection": connection}
        code = "def lib(statement): return connection.execute(statement)"
        exec(compile(code, os.path.join(os.path.dirname(os.__file__), "lib.py"), "exec"), library)
        functions = []
        for run in (library["lib"], library["lib"], nearer, library["lib"]):
            run(statement).all()
            functions.append(place(recorder.last)[2].rpartition(".")[2])

    mine = "test_a_nearer_line_of_the_user_is_found_where_a_library_was_before"
    assert functions == [mine, mine, "nearer", mine]


@pytest.mark.parametrize("loader", ["file", "text"])
def test_a_template_has_its_own_file_and_line(sqlite: Engine, recorder: Recorder, tmp_path: Path, loader: str) -> None:
    source = "<ul>\n{% for order in orders %}\n\n  <li>{{ order.items | length }}</li>\n{% endfor %}</ul>"
    (tmp_path / "orders.html").write_text(source)
    files = jinja2.FileSystemLoader(tmp_path) if loader == "file" else jinja2.DictLoader({"orders.html": source})
    template = jinja2.Environment(loader=files, autoescape=True).get_template("orders.html")
    with Session(sqlite) as session:
        orders = session.execute(select(Order).limit(2)).scalars().all()
        recorder.clear()
        template.render(orders=orders)
    found = {place(span) for span in recorder.statements}
    file = str(tmp_path / "orders.html") if loader == "file" else "<template>"

    assert {(file, 4, "orders.html")} == found


def test_a_statement_that_only_libraries_run_has_no_line(sqlite: Engine, recorder: Recorder) -> None:
    connection = sqlite.execution_options(isolation_level="AUTOCOMMIT").connect()
    thread = threading.Thread(target=connection.execute, args=(text("select 1"),))
    thread.start()
    thread.join()
    connection.close()

    assert [span.identity.code for span in sink.outside if span.kind == "statement"] == [None]


@pytest.mark.parametrize(
    ("file", "user"),
    [
        ("/srv/app/views.py", True),
        ("/srv/app/.venv/lib/python3.11/site-packages/lib/x.py", False),
        ("/usr/lib/python3/dist-packages/lib.py", False),
        (sqlalchemy.__file__, False),
        (subprocess.__file__, False),
        (callsite.__file__, False),
        (__file__, True),
        (str(Path(callsite.__file__).parents[2] / "demo" / "shop.py"), True),
        ("<string>", False),
        ("<frozen importlib._bootstrap>", False),
        ("<stdin>", True),
    ],
)
def test_whose_file(file: str, user: bool) -> None:
    assert user == callsite.is_user_file(file)


def test_an_app_that_is_installed_is_the_users_once_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callsite, "roots", ())
    packages = tmp_path / "site-packages"
    (packages / "shop").mkdir(parents=True)
    callsite.add_root(str(packages / "shop"))
    callsite.add_root(str(packages))

    assert callsite.is_user_file(str(packages / "shop" / "views.py"))
    assert not callsite.is_user_file(str(packages / "other" / "views.py"))


def test_an_app_that_is_named_like_a_module_of_the_standard_library_does_not_own_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(callsite, "roots", ())
    callsite.add_root(Flask("site").root_path)

    assert not callsite.is_user_file(os.__file__)


def test_a_virtual_environment_in_the_apps_folder_is_not_the_apps_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callsite, "roots", ())
    callsite.add_root(str(tmp_path))
    packages = tmp_path / "venv" / "lib" / "site-packages"

    assert callsite.is_user_file(str(tmp_path / "views.py"))
    assert not callsite.is_user_file(str(packages / "sqlalchemy" / "engine.py"))


def test_flasktop_in_the_apps_folder_is_not_the_apps_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callsite, "roots", ())
    callsite.add_root(str(Path(callsite.OWN_FOLDER).parent))

    assert not callsite.is_user_file(callsite.__file__)
    assert callsite.is_user_file(__file__)


def test_two_files_of_equal_code_are_told_apart() -> None:
    one, two = (compile("def f():\n    return 1\n", name, "exec") for name in ("/a/one.py", "/a/two.py"))

    assert [callsite.locate(code, 0)[0] for code in (one, two)] == ["/a/one.py", "/a/two.py"]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callsite, "MAX_LOCATIONS", 10)
    monkeypatch.setattr(callsite, "MAX_FILES", 10)
    for number in range(50):
        code = compile("import sys; find(sys._getframe())", f"/made/{number}.py", "exec")
        exec(code, {"find": callsite.walk})
        callsite.locate(code, 0)

    assert len(callsite._locations) <= 10
    assert len(callsite._user_files) + len(callsite._library_files) <= 12


def test_an_endless_stack_is_looked_at_only_so_far() -> None:
    code = compile(
        textwrap.dedent(
            """
            def down(n):
                return down(n - 1) if n else find()
            """
        ),
        "/x/site-packages/deep.py",
        "exec",
    )
    space: dict[str, Any] = {"find": callsite.find}
    exec(code, space)

    assert space["down"](callsite.MAX_DEPTH + 50) == (None, 0)
