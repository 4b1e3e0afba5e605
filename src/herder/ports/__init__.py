"""What the shell asks of the world around it, as protocols: the clock here, and beside it the store, blocking calls and the network.

Implemented by the server for real and by the simulated world for tests. Nothing here does anything.
"""
