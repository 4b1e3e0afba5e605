"""Policies that imitate other systems.

Found by the catalogue. They must never look into the future of a trace.
"""
