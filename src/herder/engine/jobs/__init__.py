"""The lives of batches and jobs, from accepted to ended.

Called by `control` and by attempts; it must never know a worker.
"""
