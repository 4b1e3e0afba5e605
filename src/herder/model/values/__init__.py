"""Basic values: money, amounts of resources, times, phrases.

Used everywhere. They must never know what is counted.
"""
