"""A Herder server's own store as a trace and as recorded plans.

Called by the commands. It must never write to a store.
"""
