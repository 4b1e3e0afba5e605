"""Who waits for something to happen, and who watches events.

Held by `Core`; a slow one must never hold up another.
"""
