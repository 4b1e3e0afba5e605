"""The states of batches and jobs, from submission to their end.

Called by `control` and by attempts; it must never know a worker.
"""
