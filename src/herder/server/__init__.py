"""A running server: everything concrete is opened, wired, run and closed here. Used by `app.py`, the demo and the bench."""
