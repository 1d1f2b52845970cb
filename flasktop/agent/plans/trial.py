"""An index that a database does not have: what is asked about it, what is found, and the words for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from flasktop.agent.commands.job import CommandError
from flasktop.protocol.commands import GONE
from flasktop.protocol.commands.index import COLUMNS, FUNCTIONS

if TYPE_CHECKING:
    from flasktop.agent.plans.request import Request
    from flasktop.protocol.commands.index import TryIndex

_NAME: Final = 256
"""Characters of one name, more than any database allows."""
_CALLED: Final = 60
"""Characters of what the index is called: PostgreSQL cuts at 63 bytes."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Two plans, from JSON or still JSON, not masked yet; the rest is as in ``IndexTried``."""

    before: Any
    after: Any
    version: str
    index: str
    used: bool
    how: str
    generic: bool = False
    notes: tuple[str, ...] = ()


class Trier(Protocol):
    """A module for one database."""

    def tried(self, connection: Any, request: Request, wanted: TryIndex) -> Tried: ...


def check_names(wanted: TryIndex) -> None:
    """Raise CommandError where no database could have such an index."""
    names = (wanted.schema, wanted.table, *wanted.columns)
    if not wanted.table or not all(wanted.columns) or any(len(name) > _NAME or "\0" in name for name in names):
        raise CommandError("These are no names of a table and its columns.", "", GONE)
    if not 1 <= len(wanted.columns) <= COLUMNS or len(set(wanted.columns)) < len(wanted.columns):
        raise CommandError(f"An index is tried on one to {COLUMNS} different columns.")
    if wanted.function and wanted.function not in FUNCTIONS:
        raise CommandError(f"An index is tried of {', '.join(FUNCTIONS)} only.")
    if wanted.function and len(wanted.columns) > 1:
        raise CommandError("An index of what a function makes is tried on one column only.")


def no_table(wanted: TryIndex) -> CommandError:
    """The refusal where the catalogue has no such table."""
    name = f"{wanted.schema}.{wanted.table}" if wanted.schema else wanted.table
    return CommandError(
        f"The database has no table {name}.",
        "It may have been dropped, be a view, a virtual or a temporary one, or lie in a schema that the app sets.",
        GONE,
    )


def no_column(table: str, column: str) -> CommandError:
    """The refusal where a table has no such column."""
    return CommandError(f"The table {table} has no column {column}.", "It may have been dropped or renamed.", GONE)


def there_already(index: str, table: str, columns: Sequence[str]) -> CommandError:
    """The refusal where such an index exists."""
    return CommandError(
        f"There is an index on {table} ({', '.join(columns)}) already: {index}.",
        "The database does not use it here: it expects to read much of the table anyway, or something in the statement "
        "hides the column from it.",
    )


def called(wanted: TryIndex, taken: Sequence[str]) -> str:
    """What SQLAlchemy would call the index, or the like where that name is ``taken``."""
    parts = [wanted.table, *([wanted.function] if wanted.function else []), *wanted.columns]
    name = "ix_" + "_".join(parts)
    used = {each.lower() for each in taken}
    made = name = name[:_CALLED]
    number = 1
    while made.lower() in used:
        number += 1
        made = f"{name[: _CALLED - 5]}_{number}"
    return made


def quoted(name: str) -> str:
    """A name as SQLite and PostgreSQL want it."""
    return '"' + name.replace('"', '""') + '"'


def indexed(columns: Sequence[str], function: str, behind: str) -> str:
    """What stands in the index's parentheses; ``behind`` belongs to the last of it."""
    names = ", ".join(map(quoted, columns))
    return (f"{function}({names})" if function else names) + (f" {behind}" if behind else "")
