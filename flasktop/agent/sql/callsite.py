"""The line of the user's own code that caused a statement: found on the hot path, named later.

``find`` walks up the stack past libraries (site-packages, the standard library, flasktop itself); ``locate`` turns
what it found into file, line and function, in the agent's thread.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType, FrameType
from typing import Any, Final

MAX_DEPTH: Final = 400
"""Frames looked at for one statement; a deeper recursion has no user line."""

MAX_FILES: Final = 20_000
"""File names whose kind is remembered; code made at run time may invent names without end."""

MAX_TEMPLATES: Final = 2_000
"""Jinja templates whose line table is kept."""

MAX_LOCATIONS: Final = 20_000
"""Resolved lines that are kept."""

_PACKAGES: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_INTERACTIVE: Final = ("<stdin>", "<console>", "<ipython", "<doctest")
OWN_FOLDER: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
"""Where flasktop itself lives."""
_DEMO: Final = f"{OWN_FOLDER}demo{os.sep}"

_DEPTHS: Final = range(MAX_DEPTH)

MAX_FOUND: Final = 1_024
"""Callers whose place in the stack is remembered."""

_getframe = sys._getframe
_found: dict[int, tuple[int, CodeType, CodeType, int]] = {}
_library_files: set[str] = set()
_user_files: set[str] = set()
_template_files: set[str] = set()
_templates: dict[int, tuple[CodeType, str, str, list[tuple[int, int]]]] = {}
_locations: dict[tuple[int, int], tuple[CodeType, tuple[str, int, str]]] = {}

roots: tuple[str, ...] = ()
"""What counts as the user's code, wherever it is installed."""


def add_root(path: str) -> None:
    """Count ``path`` (a package's folder or a module's file) as the user's code, wherever it is installed.

    Needed for an app that was itself installed into site-packages. A packages folder as a whole is refused, and so is
    the standard library, which Flask takes for the folder of an app that is named like one of its modules.
    """
    path = os.path.abspath(path)
    root = path + os.sep if os.path.isdir(path) else path
    if os.path.basename(path) in ("site-packages", "dist-packages") or root in _LIBRARIES:
        return
    global roots  # a new object each time: who remembers a place sees that it may be another now
    if root not in roots:
        roots = (*roots, root)
        _library_files.clear()
        _found.clear()


def find() -> tuple[CodeType | None, int]:
    """The innermost frame of the user's own code above the caller: its code and instruction, or (None, 0)."""
    return look(sys._getframe(1))[:2]


def found(caller: int, depth: int) -> tuple[CodeType | None, int]:
    """As ``find``, above ``depth`` frames of the calling function's, remembering where it was for ``caller`` last time.

    It is there again where the same line of the user's code, as deep in the stack, calls the same function of a
    library: two frames to look at in place of all of them, since looking at a frame makes it an object.
    """
    known = _found.get(caller)
    if known is not None:
        at, inner, code, instruction = known
        try:
            frame = _getframe(at)
        except ValueError:  # the stack is not as deep
            pass
        else:
            outer = frame.f_back
            if frame.f_code is inner and outer is not None and outer.f_code is code and outer.f_lasti == instruction:
                return code, instruction
    user, instruction, steps, inside = look(_getframe(depth + 1))
    if inside is not None and user is not None:
        if len(_found) >= MAX_FOUND:
            _found.clear()
        _found[caller] = (depth + steps, inside, user, instruction)
    return user, instruction


def look(frame: FrameType) -> tuple[CodeType | None, int, int, CodeType | None]:
    """As ``find``, from a frame on upwards; how many frames above it that was, and the code of the library's function
    that the user's line called (None: there is none to be told)."""
    place = _climb(frame)
    if place[0] is None and "greenlet" in sys.modules:
        return (*find_in_parents(), 0, None)
    return place


def walk(frame: FrameType | None) -> tuple[CodeType | None, int]:
    """As ``find``, from a frame on upwards, in its own greenlet only."""
    return _climb(frame)[:2]


def _climb(frame: FrameType | None) -> tuple[CodeType | None, int, int, CodeType | None]:
    """As ``look``, in the frame's own greenlet only."""
    inside: FrameType | None = None
    library = _library_files
    for steps in _DEPTHS:
        if frame is None:
            break
        code = frame.f_code
        file = code.co_filename
        if file not in library and (file in _user_files or _judge(frame, file)):
            if file in _template_files and id(code) not in _templates:
                _keep_template(frame)
            return code, frame.f_lasti, steps, inside.f_code if inside is not None else None
        inside = frame
        frame = frame.f_back
    return None, 0, 0, None


def is_own(frame: FrameType) -> bool:
    """Whether a frame is the user's own code; remembers what ``locate`` needs to name its line."""
    code = frame.f_code
    file = code.co_filename
    if file in _library_files or not (file in _user_files or _judge(frame, file)):
        return False
    if file in _template_files and id(code) not in _templates:
        _keep_template(frame)
    return True


def find_in_parents() -> tuple[CodeType | None, int]:
    """Where SQLAlchemy runs in a greenlet for an async driver, the user's coroutine is in the greenlet's parents."""
    greenlet = sys.modules["greenlet"].getcurrent().parent
    for _ in _DEPTHS:
        if greenlet is None:
            break
        code, instruction = walk(greenlet.gr_frame)
        if code is not None:
            return code, instruction
        greenlet = greenlet.parent
    return None, 0


def _judge(frame: FrameType, file: str) -> bool:
    """Decide once for each file name whether it is the user's."""
    if len(_library_files) + len(_user_files) > MAX_FILES:
        _library_files.clear()
        _user_files.clear()
        _template_files.clear()
    template = "__jinja_template__" in frame.f_globals
    if template or is_user_file(file):
        _user_files.add(file)
        if template:
            _template_files.add(file)
        return True
    _library_files.add(file)
    return False


def is_own_file(file: str) -> bool:
    """``is_user_file`` of a file name that was met on a stack before: templates count as the user's."""
    return file in _user_files or (file not in _library_files and is_user_file(file))


def is_user_file(file: str) -> bool:
    """Whether code of this file name is the user's own: no library's, not the standard library's, not flasktop's."""
    if file.startswith("<"):
        return file.startswith(_INTERACTIVE)
    path = os.path.abspath(file)
    # The innermost folder decides: a virtual environment may lie in the app's own, and the app in site-packages.
    own = max((len(root) for root in (*roots, _DEMO) if path.startswith(root)), default=0)
    library = max((len(folder) for folder in _LIBRARIES if path.startswith(folder)), default=0)
    packages = max(path.rfind(part) + len(part) if part in path else 0 for part in _PACKAGES)
    return own >= max(library, packages)


def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.add(os.path.dirname(os.__file__))
    both = folders | {os.path.realpath(folder) for folder in folders}
    return (*(folder + os.sep for folder in sorted(both)), OWN_FOLDER)


_LIBRARIES: Final = _library_folders()


def _keep_template(frame: FrameType) -> None:
    """Keep what turns a line of a compiled Jinja template into a line of the template."""
    template: Any = frame.f_globals.get("__jinja_template__")
    if template is None:
        return
    if len(_templates) >= MAX_TEMPLATES:
        _templates.clear()
    code = frame.f_code
    _templates[id(code)] = (code, template.filename or "", template.name or "", template.debug_info)


def locate(code: CodeType, instruction: int) -> tuple[str, int, str]:
    """File (absolute path), line and qualified function name of an instruction of ``code``.

    For a Jinja template these are the template's file, its line, and its name. The line is 0 where unknown.
    """
    key = (id(code), instruction)
    known = _locations.get(key)
    if known is not None and known[0] is code:
        return known[1]
    place = _place(code, instruction)
    if len(_locations) >= MAX_LOCATIONS:
        _locations.clear()
    _locations[key] = (code, place)
    return place


def _place(code: CodeType, instruction: int) -> tuple[str, int, str]:
    line = _line(code, instruction)
    template = _templates.get(id(code))
    if template is not None and template[0] is code:
        _, file, name, lines = template
        return _absolute(file or code.co_filename), _template_line(lines, line), name or "<template>"
    return _absolute(code.co_filename), line, getattr(code, "co_qualname", code.co_name)


def _line(code: CodeType, instruction: int) -> int:
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def _template_line(lines: list[tuple[int, int]], line: int) -> int:
    """As ``jinja2.Template.get_corresponding_lineno``: the last entry at or before the compiled line."""
    return next((template_line for template_line, code_line in reversed(lines) if code_line <= line), 1)


def _absolute(file: str) -> str:
    return file if file.startswith("<") else os.path.abspath(file)
