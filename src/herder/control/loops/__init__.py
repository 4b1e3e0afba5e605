"""The control loops, one file each: each observes, decides and records, and knows nothing of the others."""
