"""Limits on what users send, and the family of errors with status and remedy.

Used by every use case.
"""
