"""Read-only commands: status, plan, why, events, pack.

Added to the command line by `cli/shell/main.py`. They must never change anything.
"""
