"""Commands about users, projects and tokens.

Added to the command line by `cli/shell/main.py`. They must never print a secret that was not asked for.
"""
