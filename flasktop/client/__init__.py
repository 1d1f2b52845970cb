"""The reading end: finds workers, connects, reconnects, and merges them into one stream of ``protocol.events``."""
