"""Textbook policies: first fit, best fit, a fixed size.

Found by the catalogue. They must never look into the future of a trace.
"""
