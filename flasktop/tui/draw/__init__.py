"""The drawing vocabulary: pure functions from plain values to ``rich.text.Text``; no widgets, no markup."""
