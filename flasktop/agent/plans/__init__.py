"""Plans of captured statements: what may be planned, a connection of its own, each database's EXPLAIN, masking."""
