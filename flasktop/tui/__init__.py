"""The terminal: a Textual app that shows what the store knows."""

import os

# Textual draws sixty times a second at most, so that the answer to a key waits for up to 17 ms after a part of the
# screen was drawn. What is drawn is the same; where nothing changes nothing is. Read when Textual is first imported.
os.environ.setdefault("TEXTUAL_FPS", "120")
