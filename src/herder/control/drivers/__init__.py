"""Providers in a running server: the one way to call them, machines made and removed, listings compared with our rows.

Called by the loops and by `Commands`. A provider that fails or lies must never hold up another.
"""
