"""The words that the agent writes and everybody else reads: bytes in, messages out; no I/O, no threads."""
