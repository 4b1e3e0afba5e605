"""The formats of public traces, one file each: rows in, a `Trace` out.

Found by `herder.simulate.traces`. They must never drop a row without saying so.
"""
