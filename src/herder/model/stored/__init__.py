"""What is stored: rows as the engine writes them, changes that belong together, kinds of events.

It must never know SQL.
"""
