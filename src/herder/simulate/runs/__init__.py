"""One simulation from start to figures.

Called by the commands, the bench and tests. It must never print.
"""
