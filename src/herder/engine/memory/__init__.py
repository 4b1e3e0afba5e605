"""The engine's memory of everything that has not ended: state, queues, events, and the rows for the hand-over.

Used by all lives; it must never decide what becomes of one.
"""
