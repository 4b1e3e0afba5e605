"""The worker's machine: whether it can start attempts, how much of it is used, and the ports of one agent.

It must never talk to the server.
"""
