"""Values of secrets at rest: the file of keys, and encryption with them.

Used by `control/` and `server/`. It knows no tables, and never logs a key or a value.
"""
