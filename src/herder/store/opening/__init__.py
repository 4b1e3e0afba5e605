"""Opens a store: URL, migrations, the SQLite file, leadership, and the meaning of database errors.

Called at the start of a server and by commands that only read.
"""
