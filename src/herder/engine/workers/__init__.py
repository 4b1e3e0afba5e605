"""The lives of workers, and what creations teach about offers and drivers.

Called by `control`; it must never call a provider.
"""
