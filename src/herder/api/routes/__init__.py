"""The routes of the API by noun, thin: each calls `Commands` or `Reads`.

They must never decide who may do what.
"""
