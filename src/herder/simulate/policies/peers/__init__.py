"""Policies in the manner of other systems.

Found by the catalogue. They must never look into the future of a trace.
"""
