"""Rate cards: what use is charged at, from which day on.

Called by `Commands`. It books nothing.
"""
