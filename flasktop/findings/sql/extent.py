"""How many rows a statement may return, as far as its text tells."""

from __future__ import annotations

from enum import Enum

from flasktop.findings.sql.model import Hidden, Shape, Use


class Extent(Enum):
    """What bounds the rows that a SELECT returns. The value is said in words."""

    NOTHING = "nothing bounds how many rows it returns"
    LIMIT = "it says how many rows it wants at most"
    ONE_ROW = "it returns one row"
    KEY = "it asks for one key, as it looks"
    LIST = "it asks for the rows of a list of keys"
    WRITES = "it is no SELECT"


def extent(shape: Shape) -> Extent:
    """What bounds a statement's rows. Whether an equality is of a unique column no text tells: ``id``, ``uuid`` and
    what ends in them, and nothing else, is taken for a key."""
    if shape.kind != "select":
        return Extent.WRITES
    if shape.limited:
        return Extent.LIMIT
    if shape.one_row:
        return Extent.ONE_ROW
    scope = shape.outermost
    bare = [term for term in scope.terms if term.use is Use.EQUAL and term.hidden is Hidden.NOT and not term.joins]
    if any(term.listed for term in bare):
        return Extent.LIST
    main = scope.sources[0].name if scope.sources else ""
    keys = {"id", "uuid", "pk", "rowid", "oid"}
    if len(scope.sources) == 1 and any(term.column.lower() in keys and term.source == main for term in bare):
        return Extent.KEY
    return Extent.NOTHING
