"""`herder demo --clouds`: one pool on three played clouds, with a stock-out, a burst of preemptions and a quota that is met."""
