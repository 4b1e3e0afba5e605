"""Views for people and programs: the engine's memory, joined with rows of the store.

Called by `api/` and `web/`. Nothing here changes anything.
"""
