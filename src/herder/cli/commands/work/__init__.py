"""Commands for users who run jobs: jobs and batches.

Added to the command line by `cli/shell/main.py`. They reach the server only through the client.
"""
