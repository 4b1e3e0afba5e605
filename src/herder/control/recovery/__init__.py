"""After a restart, a failed loop or a step of the clock: the engine's memory from the store, loops started again, times moved along.

Called at the start of a server and by the loops. It must never guess what the store does not say.
"""
