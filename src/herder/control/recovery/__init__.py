"""Recovery after a restart, a failed loop or a step of the clock.

Called at the start of a server and by the loops. It must never guess what the store does not say.
"""
