"""The sections of herder.yaml, one file each: their fields, defaults, presets and contradictions.

Called by `load` and by the API for settings that are sent. It must never read a file.
"""
