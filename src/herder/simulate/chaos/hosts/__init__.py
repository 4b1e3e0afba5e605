"""The event loop on virtual time, its hosts (simulated processes), and their clocks.

Everything else in `chaos` uses it. It must never read a real clock or start a thread.
"""
