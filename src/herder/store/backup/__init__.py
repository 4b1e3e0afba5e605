"""Backups of a SQLite store and their restore, and the mark that a restored store carries. Called by `herder admin`."""
