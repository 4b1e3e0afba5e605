"""The lives of attempts, and what their ends say of the worker they ran on.

Called by `control` and by the lives of workers.
"""
