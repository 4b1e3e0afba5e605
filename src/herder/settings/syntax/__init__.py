"""From the bytes of a file to text, rows and plain values: encodings, separators, quotes, numbers and duplicate names.

Used by every reader of a file: settings, jobs, items and traces. What cannot be read exactly raises `Unreadable` with its place.
"""
