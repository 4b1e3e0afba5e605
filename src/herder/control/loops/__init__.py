"""One file per concern, each a loop that observes, decides and records. They know nothing of one another."""
