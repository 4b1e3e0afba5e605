"""The ports of a server and of its agents, as the simulated world has them: store, calls of drivers, network.

Each does what the real one does, on virtual time, and fails as the dice say. None has a thread, a socket or a file.
"""
