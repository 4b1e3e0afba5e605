"""Search in jobs and batches: one small language for API, command line and dashboard.

Called by `control/reads/port.py`. It must never read more rows for a page than its bound.
"""
