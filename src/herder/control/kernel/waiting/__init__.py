"""Callers that wait for something to happen, and subscribers to events.

Held by `Core`; a slow one must never hold up another.
"""
