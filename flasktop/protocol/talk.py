"""Who says what: the unions of all messages in each direction."""

from __future__ import annotations

from flasktop.protocol.commands import Answered, Ask, Cancel, Failed, Working
from flasktop.protocol.messages import Bye, Caught, Definitions, Frame, Hello, Refusal, Subscribe, Totals

ToReader = Hello | Definitions | Totals | Frame | Caught | Bye | Refusal | Working | Answered | Failed
"""What a worker sends."""

ToWorker = Subscribe | Ask | Cancel
"""What a reader sends: how it wants to follow, at most once; and any number of commands."""
