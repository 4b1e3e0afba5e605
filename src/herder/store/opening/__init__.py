"""Opening a store: URL, migrations, the file of SQLite, who may write, what an error of the database means.

Called at the start of a server and by commands that only read.
"""
