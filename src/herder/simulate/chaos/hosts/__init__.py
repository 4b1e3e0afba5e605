"""Where code of the simulated world runs: the event loop on virtual time, its hosts, and their clocks.

Everything else in `chaos` stands on it. It must never read a real clock, and it starts no thread.
"""
