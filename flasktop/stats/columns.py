"""The columns of the sums that rows of endpoints and pairs of endpoint and statement carry; times in microseconds.

Plain lists and arrays with numbered columns, since hundreds of thousands of cells live at once and
every span adds to one.
"""

from __future__ import annotations

from typing import Final

COUNT: Final = 0
ERRORS: Final = 1
DURATION: Final = 2
FIRST_BYTE: Final = 3
FIRST_BYTE_KNOWN: Final = 4
CPU: Final = 5
SQL_CPU: Final = 6
WAIT: Final = 7
CPU_KNOWN: Final = 8
EXECUTE: Final = 9
FETCH: Final = 10
OTHER: Final = 11
STATEMENTS: Final = 12
ROWS: Final = 13
BYTES: Final = 14
COMMIT: Final = 15
BODY: Final = 16
ENDPOINT_COLUMNS: Final = 17

S_COUNT: Final = 0
S_ERRORS: Final = 1
S_EXECUTE: Final = 2
S_FETCH: Final = 3
S_ROWS: Final = 4
STATEMENT_COLUMNS: Final = 5

ROW_BITS: Final = 24
ROW_MASK: Final = (1 << ROW_BITS) - 1
"""A cell's key is ``worker << ROW_BITS | row``."""

STATEMENT_BITS: Final = 20
STATEMENT_MASK: Final = (1 << STATEMENT_BITS) - 1
PAIR_BITS: Final = ROW_BITS + STATEMENT_BITS
PAIR_MASK: Final = (1 << PAIR_BITS) - 1
"""A statement as an endpoint runs it is one number, ``endpoint row + 1 << STATEMENT_BITS | statement row`` (0 in place
of the endpoint: outside any request); the key of its cell is ``worker << PAIR_BITS | pair``."""

STATUS_BITS: Final = 10
STATUS_MASK: Final = (1 << STATUS_BITS) - 1
"""A status cell's key is ``cell key << STATUS_BITS | status``; a status of 1000 and more is not HTTP and cut."""
