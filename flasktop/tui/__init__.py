"""The terminal: a Textual app that shows what the store knows."""
