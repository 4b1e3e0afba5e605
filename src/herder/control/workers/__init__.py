"""Workers in a running server: the worker protocol, and actions of people on workers.

Called by the API and by `Commands`. It must never make or remove a machine.
"""
