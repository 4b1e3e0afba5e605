"""Where plans are made, on the event loop or beside it, and which triggers failed.

Used by the scale loop.
"""
