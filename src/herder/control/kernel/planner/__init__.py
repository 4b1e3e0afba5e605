"""Runs the planner, on the event loop or in a thread, and counts failed triggers.

Used by the scale loop.
"""
