"""Drains: how long, how far, what blocks them, and their end."""
