"""Jobs, attempts, demand, and the settings of sharing.

Frozen data; nothing here decides.
"""
