"""Workers in a running server: the protocol that they speak, and what people do to them.

Called by the API and by `Commands`. It must never make or remove a machine.
"""
