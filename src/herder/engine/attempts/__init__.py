"""The states of attempts, and what their ends show about their workers.

Called by `control` and by the lives of workers.
"""
