"""Commands for people who want work done: jobs and batches.

Added to the command line by `cli/shell/main.py`. They reach the server only through the client.
"""
