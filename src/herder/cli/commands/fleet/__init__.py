"""Commands for operators: pools, workers, drivers, settings.

Added to the command line by `cli/shell/main.py`. They reach the server only through the client.
"""
