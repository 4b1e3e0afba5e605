"""Views for people and programs: what the engine holds in memory, joined with what the store knows of the past.

Called by `api/` and `web/`. Nothing here changes anything.
"""
