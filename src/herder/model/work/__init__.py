"""Jobs, attempts, demand, and how a fleet is shared between those who submit.

Frozen data; nothing here decides.
"""
