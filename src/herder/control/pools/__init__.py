"""What people do to pools, and how the fleet is shared between users.

Called by `Commands` and at the start of a server. It must never call a provider.
"""
