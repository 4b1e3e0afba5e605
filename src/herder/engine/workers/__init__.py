"""The states of workers, and the failures of offers and drivers.

Called by `control`; it must never call a provider.
"""
