"""Actions on pools, and the settings of sharing.

Called by `Commands` and at the start of a server. It must never call a provider.
"""
