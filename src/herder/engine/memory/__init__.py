"""What is in memory of everything that is not over: state, queues, events, and its rows at the hand-over.

Used by all lives; it must never decide what becomes of one.
"""
