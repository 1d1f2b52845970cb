"""The drill-down: one endpoint, one request, one statement. Enter goes deeper, Esc comes back to the same row.

Each screen is imported from its own module, and only when it is opened: the first picture waits for none of them.
"""
