"""What is wrong with the app, with the proof and the fix: rules over what the store knows.

A rule is one file in ``rules`` and one line in ``registry``. It is a pure function of ``Facts``; where it needs more
than the store has (a plan, a stack), it yields a ``Need``, which the client fetches, and says the rest the next time.
"""
