"""Commands: what a reader asks of this worker beyond its journal, each in a thread of its own, each a grant."""
