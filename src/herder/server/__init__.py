"""A running server: opens, wires, runs and closes all parts. Used by `app.py`, the demo and the bench."""
