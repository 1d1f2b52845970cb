"""For all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# A shell starts its background jobs with SIGINT ignored, and what is ignored stays so in every child: servers that
# the tests stop with SIGINT would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, not whether the fact holds.
settings.register_profile("flasktop", deadline=None)
settings.load_profile("flasktop")
