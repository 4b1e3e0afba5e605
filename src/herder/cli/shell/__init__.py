"""The command line as a whole: building it, running it, its session, options and exit codes.

Called by `app.py`. It must never know what a single command does.
"""
