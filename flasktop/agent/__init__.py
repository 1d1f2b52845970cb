"""What lives inside the Flask process.

Imports the standard library and msgspec; nothing starts before the first request.
"""
