"""What a masked statement says of itself: what it reads, by which columns, how much of it; and the index it lacks.

Reads only: what is shown is the statement as it ran, never one that was written anew. ``parsed`` alone knows sqlglot,
which is imported when the first statement is looked at.
"""
