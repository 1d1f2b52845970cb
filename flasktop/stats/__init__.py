"""Pure aggregation: ``Store.apply(event)`` takes the stream in, its views are frozen pictures of a time window."""
