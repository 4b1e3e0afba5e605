"""The worker's machine: whether it is fit, what is used of it, and the ports of one agent.

It must never talk to the server.
"""
