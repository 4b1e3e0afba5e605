"""Which workers are removed: expired and surplus ones, idle ones, those whose work fits on other workers.

Called by the planner. It only names workers; draining and removing them is done elsewhere, and a worker that
somebody needs must never be named.
"""
