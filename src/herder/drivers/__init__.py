"""One folder per provider. Drivers know their provider and nothing else, and do not import one another.

A driver's package has two names: `settings_type` (a frozen dataclass with documented fields) and `make` (settings, context → Driver).
`herder.drivers.registry` finds them by the folder's name, and drivers of others by the entry point group `herder.drivers`.
"""
