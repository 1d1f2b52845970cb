"""Writing a file that a person asked for: never over another one, and never half."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from flasktop.errors import FlasktopError

TRIES: Final = 1000
"""Numbers tried for a name that is taken."""


def save_new(directory: Path, stem: str, suffix: str, text: str) -> Path:
    """Write ``text`` to ``directory/stem.suffix``, or ``stem-2.suffix`` and so on where that exists; return its path.

    Raises:
        FlasktopError: it cannot be written; says why.
    """
    name = file_name(stem)
    for number in range(1, TRIES):
        path = directory / (f"{name}{suffix}" if number == 1 else f"{name}-{number}{suffix}")
        try:
            with path.open("x", encoding="utf-8", errors="replace") as file:
                file.write(text)
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(path, error) from error
    raise FlasktopError(f"{directory} has a thousand files called {name}.", "Remove some.")


def file_name(text: str) -> str:
    """``text`` as the name of a file: letters, digits, ``.``, ``-`` and ``_``.

    >>> file_name("profile GET /orders/<int:id>"), file_name("///")
    ('profile-GET-orders-int-id', 'flasktop')
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80].strip("-.") or "flasktop"


def unwritable(path: Path, error: OSError) -> FlasktopError:
    """What to tell a person whose file cannot be written."""
    return FlasktopError(
        f"{path} cannot be written: {error.strerror or error}.", "Start flasktop in a folder that you can write to."
    )
