"""What the commands do, each loaded when it runs; ``flasktop.cli`` only says which there are."""
