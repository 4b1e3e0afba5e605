"""Files that commands read, checked before anything is sent.

Called by commands. They must never send anything.
"""
