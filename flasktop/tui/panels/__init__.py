"""One panel a question: endpoints, queries, processes, and the log of requests."""
