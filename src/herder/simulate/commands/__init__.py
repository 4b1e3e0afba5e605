"""`herder simulate` and its subcommands: options in, figures and reports out.

Added to the command line by `app.py`. They must never decide anything in a simulation.
"""
